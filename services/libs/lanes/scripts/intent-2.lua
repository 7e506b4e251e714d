-- Claims an intent, writes its outcome, takes a claim back, or says what is to happen to its order. Mirrors src/intent/mod.rs; a test holds the two together.
--
-- KEYS[1]  hash, the record of one intent        KEYS[2]  sorted set, open intents of its account: id -> claimed_us. Open is
--          what has no outcome, and what is executed and to be cancelled
-- KEYS[3]  hash, the generation of the domain: marker, replication_id, born_us, fresh (0 | 1)
-- KEYS[4]  hash, what operators have halted: account, or * for all -> reason
-- ARGV[1]  act: claim | settle | withdraw | wish ARGV[2]  id, the member of KEYS[2]
-- ARGV[3]  token of the caller                   ARGV[4]  account
-- ARGV[5]  endpoint                              ARGV[6]  request_id
-- ARGV[7]  content                               ARGV[8]  born_us
-- ARGV[9]  not_after_us, 0 for none              ARGV[10] findable: 0 | 1
-- ARGV[11] state to settle                       ARGV[12] outcome
-- ARGV[13] generation that a verdict rests on, empty for the sender itself
-- ARGV[14] may_be_lost_us     ARGV[15] ahead_max_us     ARGV[16] age_max_us     ARGV[17] lost_deadline_us
-- ARGV[18] margin_us          ARGV[19] kept_us          ARGV[20] outcome_bytes_max
-- ARGV[21] handle_bytes_max   ARGV[22] note_bytes_max
-- ARGV[23] caller             ARGV[24] handle
-- ARGV[25] wish: keep | cancel_if_unresolved | cancel | done
-- ARGV[26] note
-- ARGV[27] time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[28] replication id, for tests and simulations only; empty takes the server's own
-- ARGV[29] not_after_max_us   ARGV[30] whether it cancels: 0 | 1
-- ARGV[31] caller_now_us      ARGV[32] claim_skew_max_us
-- REPLY    { kind, now_us or marker ..., the fields of the record as names and values }
--          claim:    { claimed, { marker, now_us }, {} } | { known, {}, record } | { halted, { reason }, {} } | { no_generation, {}, {} } | { skewed, { now_us }, {} } | { too_far, { now_us }, {} } | { unborn, { now_us }, {} } |
--                    { too_old, { now_us }, {} }
--          settle:   { written, {}, {} } | { replaced, {}, record as it was } | { kept, {}, record } | { stale, {}, {} }
--          withdraw: { gone, {}, {} } | { kept, {}, {} }
--          wish:     { wished, {}, record } | { unknown, {}, {} }
--          A record that an older build has written lacks caller, handle, wish and note: that means nothing, and keep.
--          Numbers travel as decimal text. One that is not an integer below 2^53 is an error TOOLARGE, and nothing is
--          written. A server that hides its replication id is an error NOREPLID.

local MAX = 9007199254740991

local function fits(n)
  return n ~= nil and n >= 0 and n <= MAX and n == math.floor(n)
end

local function text(n)
  return string.format('%.0f', n)
end

local numbers = {}
for _, at in ipairs({ 8, 9, 14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 29, 31, 32 }) do
  local n = tonumber(ARGV[at])
  if not fits(n) then
    return redis.error_reply('TOOLARGE a number of the intent does not fit below 2^53')
  end
  numbers[at] = n
end
local act, id, token, content = ARGV[1], ARGV[2], ARGV[3], ARGV[7]
local born, not_after, findable = numbers[8], numbers[9], ARGV[10] == '1'
local may_be_lost, ahead_max, age_max = numbers[14], numbers[15], numbers[16]
local lost_deadline, margin, kept_us, outcome_max = numbers[17], numbers[18], numbers[19], numbers[20]
local not_after_max = numbers[29]
local caller, handle, wish, note = ARGV[23], ARGV[24], ARGV[25], ARGV[26]
local now = numbers[27]
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

if #handle > numbers[21] or #note > numbers[22] then
  return redis.error_reply('TOOLARGE a handle or a note is longer than it may be')
end

local FINAL = { executed = true, refused = true, absent = true }
local RANK = { keep = 0, cancel_if_unresolved = 1, cancel = 2, done = 3 }
local fields = redis.call('HGETALL', KEYS[1])
local record = nil
if #fields > 0 then
  record = {}
  for i = 1, #fields, 2 do
    record[fields[i]] = fields[i + 1]
  end
end
-- The store forgets by itself, but not to the microsecond.
if record ~= nil and tonumber(record.claimed_us) + kept_us <= now then
  record, fields = nil, {}
end

local function stronger(one, other)
  if (RANK[one] or 0) >= (RANK[other] or 0) then
    return one
  end
  return other
end

-- Claims are told by their age, also one that is open again.
local function list(state, its_wish, claimed_us)
  if not FINAL[state] or (state == 'executed' and its_wish == 'cancel') then
    redis.call('ZADD', KEYS[2], claimed_us, id)
  else
    redis.call('ZREM', KEYS[2], id)
  end
end

if act == 'wish' then
  if record == nil then
    return { 'unknown', {}, {} }
  end
  local wished = stronger(record.wish or 'keep', wish)
  redis.call('HSET', KEYS[1], 'wish', wished)
  list(record.state, wished, record.claimed_us)
  return { 'wished', {}, redis.call('HGETALL', KEYS[1]) }
end
if act == 'withdraw' then
  if record == nil or record.state ~= 'claimed' or record.token ~= token then
    return { 'kept', {}, {} }
  end
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], id)
  return { 'gone', {}, {} }
end

local replication_id = ARGV[28]
if replication_id == '' then
  replication_id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if not replication_id then
    return redis.error_reply('NOREPLID the server hides its replication id')
  end
end
local kept = redis.call('HMGET', KEYS[3], 'marker', 'replication_id', 'born_us', 'fresh')
local marker, birth, fresh = kept[1], tonumber(kept[3]), kept[4] == '1'
local is_current = kept[1] and kept[2] == replication_id

local function write(state, by, generation, ends, absent, settled, outcome, its_note)
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'account', ARGV[4], 'endpoint', ARGV[5], 'request_id', ARGV[6], 'content', content,
    'token', by, 'state', state, 'claimed_us', text(now), 'not_after_us', text(ends), 'absent_after_us', text(absent),
    'settled_us', text(settled), 'outcome', outcome, 'generation', generation,
    'caller', caller, 'handle', handle, 'wish', wish, 'note', its_note)
  redis.call('PEXPIRE', KEYS[1], text(kept_us / 1000))
  list(state, wish, text(now))
end

local absent_after = 0
if findable and not_after > 0 then
  absent_after = not_after + margin
end

if act == 'claim' then
  if now > MAX - age_max - age_max or born > MAX - age_max or not_after > MAX - age_max then
    return redis.error_reply('TOOLARGE a number of the intent does not fit below 2^53')
  end
  if record ~= nil then
    if is_current and record.token == token and record.state == 'claimed' then
      return { 'claimed', { marker, text(now) }, {} }
    end
    return { 'known', {}, fields }
  end
  if ARGV[30] == '0' then
    local halted = redis.call('HMGET', KEYS[4], '*', ARGV[4])
    local reason = halted[1] or halted[2]
    if reason then
      return { 'halted', { reason }, {} }
    end
  end
  -- Generations begin where clocks are compared, with the next grant.
  if not is_current then
    return { 'no_generation', {}, {} }
  end
  if ARGV[30] == '0' and math.abs(now - numbers[31]) > numbers[32] then
    return { 'skewed', { text(now) }, {} }
  end
  if not_after > now + not_after_max then
    return { 'too_far', { text(now) }, {} }
  end
  if born > now + ahead_max then
    return { 'unborn', { text(now) }, {} }
  end
  if born + age_max < now then
    return { 'too_old', { text(now) }, {} }
  end
  -- One that is said to begin later than now began while a clock ran ahead.
  birth = math.min(birth, now)
  if not fresh and born < birth + may_be_lost then
    local ends = math.max(born, birth + may_be_lost) + lost_deadline
    local absent = 0
    if findable then
      absent = ends + margin
    end
    write('lost', '', marker, ends, absent, 0, '', '')
    return { 'known', {}, redis.call('HGETALL', KEYS[1]) }
  end
  write('claimed', token, marker, not_after, absent_after, 0, '', '')
  return { 'claimed', { marker, text(now) }, {} }
end

local state, outcome = ARGV[11], ARGV[12]
if #outcome > outcome_max then
  return redis.error_reply('TOOLARGE an outcome is longer than it may be')
end
if ARGV[13] ~= '' and (not is_current or marker ~= ARGV[13] or record == nil) then
  return { 'stale', {}, {} }
end
local settled = 0
if FINAL[state] then
  settled = now
end
if record == nil then
  write(state, token, is_current and marker or '', not_after, absent_after, settled, outcome, note)
  return { 'written', {}, {} }
end
local proof = state == 'executed' or state == 'refused'
local may_say = record.token == token or state == 'executed' or (record.state == 'lost' and proof)
local replaces = not FINAL[record.state] or (state == 'executed' and record.state ~= 'executed')
if not may_say or not replaces or record.content ~= content then
  return { 'kept', {}, fields }
end
local wished = stronger(record.wish or 'keep', wish)
redis.call('HSET', KEYS[1], 'state', state, 'outcome', outcome, 'settled_us', text(settled), 'wish', wished, 'note', note)
list(state, wished, record.claimed_us)
if FINAL[record.state] then
  return { 'replaced', {}, fields }
end
return { 'written', {}, {} }
