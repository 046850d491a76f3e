-- Of each flight there are two keys, in one hash slot: NAME has the token of the flight that newcomers find, and NAME:TOKEN is that flight:
--   o   the nonce of who leads it
--   s   when somebody else last looked, in milliseconds
--   e   its ending
--   l   until when newcomers get that, in milliseconds
local name = KEYS[1]

local function micros()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function millis()
    return math.floor(micros() / 1000)
end

-- As text: a number of this size would be written with an exponent.
local function text(number)
    return string.format('%.0f', number)
end

-- The flight that newcomers would join or be served: its token, its key, its ending. The token also if there is no such flight.
local function current()
    local token = redis.call('GET', name)
    if not token then return nil end
    local flight = name .. ':' .. token
    local found = redis.call('HMGET', flight, 'o', 'e', 'l')
    if found[1] and (not found[2] or (found[3] and tonumber(found[3]) > millis())) then
        return token, flight, found[2], found[1]
    end
    return token
end

-- Whoever listens gets the key. The channel is the last argument of every script.
local function tell()
    redis.call('PUBLISH', ARGV[#ARGV], name)
end
