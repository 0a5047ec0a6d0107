-- Moves a video on by compare-and-set: record, indexes, due time, alarm, lane, breaker, task owner and event together.
-- KEYS 1 record  2 index of the status it leaves  3 index of the status it enters  4 due  5 events
--      6 the account's places  7 alarms  8 counters  9 the account's places as older versions kept them
--      10 the upstream's breaker
--      and of moves that are not only looks, or what follows from them, what a POST, a queue and a task need:
--      11 those that wait in the lane it leaves  12 those that wait in the lane it enters (the same but for a change of lane)
--      13 why the lane rests  14 the lane's leaves of the last minute  15 the account's
--      16 what the lane learned of its cap  17 what the account's lanes together learned of its cap
--      18 owner of the task (used only if `task` is given)  19 the upstream's latest tasks
--      and where the video is a batch's or its money moves (else the record again, or nothing):
--      20 its batch  21 clips that have ended  22, 23 the pools of its batch that it leaves and enters, or would
--      24 the pools of its batch  25 open batches  26 the journal of money  27 all scopes of money
--      28 renders of its project  29... balances of the scopes that the move names by their numbers
-- ARGV 1 the move as JSON: `Move` in advance.ts says what is in it  2 the record, with its head
-- Returns {'moved', event id or '', what the breaker did or '', why it pauses its batch or ''} | {'changed'}: another version | {'missing'}
--         | {'owned', id}: another video owns the task
--         | no leave: {'full', in flight, places, whose, 'learned' or ''} | {'rate', ms, allowed, whose}
--         | {'resting', ms, why} | {'breaker', ms, why, 'tried' or ''}
--         | {'taken', id}: another video is rendered for the same clip
--         | {'held', the batch's state, why} | {'canary'} | {'budget', whose, spent, cap, what it would cost}, in micro-USD
local move = cjson.decode(ARGV[1])
local id = move.id
local lane = {
  places = KEYS[6], model = move.model, rest = KEYS[13], lane_sent = KEYS[14],
  account_sent = KEYS[15], cap = KEYS[16], breaker = KEYS[10], account_cap = KEYS[17],
}
-- The caps of the configuration, and the batch's own, which a person may change at any time.
local function caps_with_own(asked)
  local own = asked.ownScope and tonumber(redis.call('HGET', KEYS[20], 'budget') or '')
  if own then table.insert(asked.caps, 1, { asked.ownScope, own, "the batch's budget" }) end
  return asked.caps
end
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
if head == '' then return { 'missing' } end
if string.match(head, '^(%d+) ') ~= move.had then return { 'changed' } end
if move.place ~= 'keep' then take_over_places(KEYS[9], KEYS[6], string.sub(KEYS[1], 1, -#id - 1)) end
local first_scope = 28
local is_breaker_open
if move.leave then
  local refused = move.batch and batch_refuses(KEYS[20])
    or move.caps and budget_refuses(caps_with_own(move), move.estimate, first_scope)
  if not refused then refused, is_breaker_open = leave_refused(lane, move.leave, move.rateWindowMs) end
  if refused then return refused end
end
if move.batch and move.batch.key then
  local owner = redis.call('HGET', KEYS[28], move.batch.key)
  if owner and owner ~= id then
    -- Somebody asked for the same since, and has it rendered, or had.
    local status = string.match(redis.call('GETRANGE', string.sub(KEYS[1], 1, -#id - 1) .. owner, 0, 31), '^%d+ (%S+)')
    if status and status ~= 'failed' and status ~= 'cancelled' then return { 'taken', owner } end
  end
  redis.call('HSET', KEYS[28], move.batch.key, id)
end
if move.task then
  if redis.call('SETNX', KEYS[18], id) == 0 then
    local owner = redis.call('GET', KEYS[18])
    if owner ~= id then return { 'owned', owner } end
  end
  redis.call('ZADD', KEYS[19], move.at, move.task)
  redis.call('ZREMRANGEBYRANK', KEYS[19], 0, -51)
end
if move.leave then
  leave_given(lane, move.leave, move.rateWindowMs, id .. ' ' .. move.had)
  if is_breaker_open then breaker_lets_pass(lane.breaker, id, move.probeMs or 0) end
end
if move.place == 'take' then redis.call('ZADD', lane.places, '0', place_name(lane, id))
elseif move.place == 'free' then redis.call('ZREM', lane.places, place_name(lane, id)) end
local pulse = move.pulse and move.pulse.kind
local account_taken
if pulse == 'crowded' or move.restLane then account_taken = taken_in_account(lane) end
if pulse == 'accepted' then
  raise_cap(lane.cap, taken_in_lane, lane)
  raise_cap(lane.account_cap, taken_in_account, lane)
elseif pulse == 'crowded' then
  local taken = taken_in_lane(lane)
  -- Where none of the lane's own tasks runs, those of the account's other lanes are too many.
  if taken > 0 or account_taken == 0 then lower_cap(lane.cap, taken, move.pulse.sentAt, move.at)
  else lower_cap(lane.account_cap, account_taken, move.pulse.sentAt, move.at) end
end
-- A crowded lane goes on when a task ends; where none of the account's runs, others use it, and time must pass.
if move.restLane and (move.restLane.said or pulse ~= 'crowded' or account_taken == 0) then
  rest_lane(lane, move.restLane, move.at)
end
local breaker = move.health and breaker_hears(lane.breaker, move.health, id) or ''
redis.call('SET', KEYS[1], ARGV[2])
if KEYS[2] ~= KEYS[3] then
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[3], '0', id)
end
local waits = move.status == 'queued' and not move.turn
if move.waited and (KEYS[11] ~= KEYS[12] or not waits) then redis.call('ZREM', KEYS[11], id) end
if waits then redis.call('ZADD', KEYS[12], '0', id) end
if move.postings then post_money(move.postings, first_scope, KEYS[26], KEYS[27], move) end
local paused
if move.batch then
  if KEYS[22] ~= KEYS[23] or not move.turn then redis.call('ZREM', KEYS[22], id) end
  if move.turn then
    redis.call('ZADD', KEYS[23], move.turn, id)
    redis.call('SADD', KEYS[24], move.batch.pool)
  end
  if redis.call('HEXISTS', KEYS[20], 'sendable') == 1 then
    if move.leave then redis.call('HINCRBY', KEYS[20], 'sendable', -1) end
    if move.batch.from ~= 'queued' and move.status == 'queued' then redis.call('HINCRBY', KEYS[20], 'sendable', 1) end
  end
  paused = batch_counts(KEYS[20], { news = KEYS[21], open = KEYS[25], events = KEYS[5] }, move.batch, move.at)
end
if move.due then redis.call('ZADD', KEYS[4], move.due, id) else redis.call('ZREM', KEYS[4], id) end
if move.alarm == 'none' then redis.call('ZREM', KEYS[7], id)
elseif move.alarm ~= 'keep' then redis.call('ZADD', KEYS[7], move.alarm, id) end
if move.counter then redis.call('HINCRBY', KEYS[8], move.counter, 1) end
if not move.events then return { 'moved', '', breaker, paused or '' } end
local event = redis.call('XADD', KEYS[5], 'MAXLEN', '~', move.events, '*',
  'project', move.project, 'video', id, 'version', move.gets, 'status', move.status, 'at', move.at)
return { 'moved', event, breaker, paused or '' }
