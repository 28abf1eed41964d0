{{ staged_census('github') }}
