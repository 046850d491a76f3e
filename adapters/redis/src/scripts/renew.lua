-- token, nonce, lease
-- returns: {0, 1 or 0} lost, and whether newcomers find another; {1, milliseconds or -1, 1 or 0} held, how long ago somebody else looked, and whether newcomers do not join it; {2, ending} ended
local flight = name .. ':' .. ARGV[1]
local found = redis.call('HMGET', flight, 'o', 'e', 's')
if found[1] ~= ARGV[2] then
    local _, successor = current()
    return {0, successor and 1 or 0}
end
if found[2] then return {2, found[2]} end
redis.call('PEXPIRE', flight, ARGV[3])
local forgotten = 1
if redis.call('GET', name) == ARGV[1] then
    forgotten = 0
    redis.call('PEXPIRE', name, ARGV[3])
end
local followed = -1
if found[3] then followed = math.max(0, millis() - tonumber(found[3])) end
return {1, followed, forgotten}
