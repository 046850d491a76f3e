-- token
-- returns: {0} gone, {1} in progress, {2, ending} ended, {3} in progress, and newcomers do not join it
local flight = name .. ':' .. ARGV[1]
local found = redis.call('HMGET', flight, 'o', 'e')
if found[2] then return {2, found[2]} end
if not found[1] then return {0} end
redis.call('HSET', flight, 's', text(millis()))
if redis.call('GET', name) == ARGV[1] then return {1} end
return {3}
