-- Takes what is to be sent to a target, as much as it has places for; of one that is closed, whatever waits for it.
-- KEYS 1 targets  2 due  3 claims  4 endpoint (due again where the target is none)
-- ARGV 1 target  2 now, ms  3 until when the claim holds, ms  4 places
-- Returns the ids of the deliveries.
local target = { due = KEYS[2], claims = KEYS[3], places = tonumber(ARGV[4]) }
if KEYS[4] ~= KEYS[2] then target.endpoint = KEYS[4] end
for _, id in ipairs(redis.call('ZRANGE', target.claims, '-inf', ARGV[2], 'BYSCORE')) do
  redis.call('ZREM', target.claims, id)
  redis.call('ZADD', target.due, ARGV[2], id)
end
local open = is_open(target)
local room = places_of(target, open) - redis.call('ZCARD', target.claims)
local taken = {}
if room > 0 then
  taken = redis.call('ZRANGE', target.due, '-inf', open and ARGV[2] or '+inf', 'BYSCORE', 'LIMIT', 0, room)
end
for _, id in ipairs(taken) do
  redis.call('ZREM', target.due, id)
  redis.call('ZADD', target.claims, ARGV[3], id)
end
schedule(KEYS[1], ARGV[1], target)
return taken
