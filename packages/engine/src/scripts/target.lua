-- What every script about the deliveries of one target keeps true: `targets` says when somebody must look at it.
-- A target is `due` and `claims`, how many of it may be sent at once, and its `endpoint`'s key where it is one.

-- Whether something may be sent there; what waits for an endpoint that is disabled or gone is to be ended.
local function is_open(target) return not target.endpoint or redis.call('HGET', target.endpoint, 'enabled') == '1' end

-- How many may be claimed at once: ending what waits asks nobody.
local function places_of(target, open) return open and target.places or 100 end

local function schedule(targets, name, target)
  local next
  local lease = redis.call('ZRANGE', target.claims, 0, 0, 'WITHSCORES')
  if lease[2] then next = tonumber(lease[2]) end
  local open = is_open(target)
  if redis.call('ZCARD', target.claims) < places_of(target, open) then
    local first = redis.call('ZRANGE', target.due, 0, 0, 'WITHSCORES')
    local at = first[2] and (open and tonumber(first[2]) or 0)
    if at and (not next or at < next) then next = at end
  end
  if next then redis.call('ZADD', targets, next, name) else redis.call('ZREM', targets, name) end
end

-- Nothing is sent to an endpoint any more; its project hears of it.
local function disable(endpoint, id, reason, at, events, longest)
  redis.call('HSET', endpoint, 'enabled', '0', 'disabledReason', reason, 'disabledAt', at)
  redis.call('XADD', events, 'MAXLEN', '~', longest, '*',
    'project', redis.call('HGET', endpoint, 'project'), 'type', 'webhook_endpoint.disabled', 'subject', id, 'at', at)
end

-- The id of the stream's last entry.
local function last_event(events)
  local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end
