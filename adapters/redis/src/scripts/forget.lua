-- returns: 1 there was a flight, or a result that lingered, 0 there was none
local token, flight = current()
if not flight then return 0 end
-- A number that no flight has or will have, so that tokens grow.
redis.call('SET', name, text(tonumber(token) + 1), 'KEEPTTL')
tell()
return 1
