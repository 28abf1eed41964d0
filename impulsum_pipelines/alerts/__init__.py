"""Alerts: what is wrong, who was notified, who acknowledged it, and when it was resolved.

Other packages raise and resolve alerts (:mod:`.lifecycle`); this package notifies people.
"""
