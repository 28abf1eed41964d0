-- PostgreSQL runs this when its volume is new. Its image has made the database of the ops store; Dagster has its own.
create database dagster;
