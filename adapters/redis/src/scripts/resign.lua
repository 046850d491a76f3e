-- token, nonce
-- returns: 1 the flight has an ending, 0 it is given up, or was lost before
local flight = name .. ':' .. ARGV[1]
local found = redis.call('HMGET', flight, 'o', 'e', 's')
if found[1] ~= ARGV[2] then return 0 end
if found[2] then return 1 end
-- The name stays for the rest of the lease, so that tokens grow.
redis.call('DEL', flight)
if found[3] then tell() end
return 0
