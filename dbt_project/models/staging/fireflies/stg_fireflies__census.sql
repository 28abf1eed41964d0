{{ staged_census('fireflies') }}
