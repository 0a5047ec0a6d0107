-- Asks for leave to look at an upstream once, at most so many times in any second.
-- KEYS 1 looks of the last second  2 until when looks are spoken for   ARGV 1 looks in a second  2 a name for this one
-- Returns 0: look now | ms to wait. Those who wait get a place each, one after the other.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A look leaves for the upstream a little later than it was asked for.
local window = 1100
local rate = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < rate then
  redis.call('ZADD', KEYS[1], now, ARGV[2])
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
local ahead = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), now) + math.ceil(window / rate)
redis.call('SET', KEYS[2], ahead, 'PX', ahead - now)
return ahead - now
