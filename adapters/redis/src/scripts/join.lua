-- nonce, lease
-- returns: {0, token} it leads, {1, token} it follows, {2, token, ending} it gets what lingers
local nonce, lease = ARGV[1], ARGV[2]
local token, flight, ending, owner = current()
if flight then
    if ending then return {2, token, ending} end
    if owner == nonce then return {0, token} end
    redis.call('HSET', flight, 's', text(millis()))
    return {1, token}
end
token = text(math.max(micros(), (tonumber(token) or 0) + 1))
flight = name .. ':' .. token
redis.call('HSET', flight, 'o', nonce)
redis.call('PEXPIRE', flight, lease)
redis.call('SET', name, token, 'PX', lease)
return {0, token}
