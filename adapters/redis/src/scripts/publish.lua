-- token, nonce, ending, how long the ending is kept, how long newcomers get it
-- returns: 1 this is the ending of the flight, 0 it is not
local flight = name .. ':' .. ARGV[1]
local found = redis.call('HMGET', flight, 'o', 'e', 's')
if found[1] ~= ARGV[2] then return 0 end
if found[2] then return found[2] == ARGV[3] and 1 or 0 end
redis.call('HSET', flight, 'e', ARGV[3], 'l', text(millis() + tonumber(ARGV[5])))
redis.call('PEXPIRE', flight, ARGV[4])
if redis.call('GET', name) == ARGV[1] then redis.call('PEXPIRE', name, ARGV[4]) end
-- Nobody listens for what nobody followed.
if found[3] then tell() end
return 1
