{{ staged_census('tempo') }}
