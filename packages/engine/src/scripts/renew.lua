-- Holds claims for longer, or gives them back.
-- KEYS 1 targets  2 due  3 claims  4 endpoint (due again where the target is none)
-- ARGV 1 target  2 until when they hold, ms  3 places  4 ... deliveries
-- Returns how many claims were still there.
local target = { due = KEYS[2], claims = KEYS[3], places = tonumber(ARGV[3]) }
if KEYS[4] ~= KEYS[2] then target.endpoint = KEYS[4] end
local held = 0
for index = 4, #ARGV do
  if redis.call('ZSCORE', target.claims, ARGV[index]) then
    redis.call('ZADD', target.claims, ARGV[2], ARGV[index])
    held = held + 1
  end
end
schedule(KEYS[1], ARGV[1], target)
return held
