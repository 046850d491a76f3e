-- ending, how long it is kept
-- returns: 1 there was a flight, or a result that lingered, 0 there was none
local token, flight, ending = current()
if not flight then return 0 end
redis.call('HSET', flight, 'l', '0')
if not ending then
    redis.call('HSET', flight, 'e', ARGV[1])
    redis.call('PEXPIRE', flight, ARGV[2])
    redis.call('PEXPIRE', name, ARGV[2])
    tell()
end
return 1
