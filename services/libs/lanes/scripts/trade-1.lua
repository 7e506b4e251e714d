-- The trading counters of an account. Mirrors src/trade/mod.rs; a test holds the two together.
--
-- KEYS[1]  hash, the generation of the domain: marker, replication_id, born_us, fresh (0 | 1)
-- KEYS[2]  hash, a counter that does not exist: its name without the pair, so that all keys are in one slot. A counter has
--          generation, level_milli, at_us, and for each token that has spent a field p:<token> = "<milli> <until_us>"
-- KEYS[3]  string, an order that does not exist: its name without the id. An order is
--          "<at_us> <cancelled: 0 | 1> <pair> <order_id or -> <cl_ord_id or ->", under each of its names
-- ARGV[1]  act: spend | land | refund | cancel | full
-- ARGV[2]  max_milli          ARGV[3]  usable_milli      ARGV[4]  decay_milli_per_s
-- ARGV[5]  not_after_max_us   ARGV[6]  age_kept_us       ARGV[7]  level_max_milli     ARGV[8]  decay_span_max_us
-- ARGV[9]  brackets of the act as "below_us:milli", with commas between; empty if age does not matter
-- ARGV[10] time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[11] replication id, for tests and simulations only; empty takes the server's own
-- spend:   ARGV[12] pair or empty   ARGV[13] token   ARGV[14] fixed_milli   ARGV[15] order or empty   ARGV[16] until_us
-- land:    ARGV[12] pair   ARGV[13] token   ARGV[14 ...] order_id and cl_ord_id of each order, - for none
-- refund:  ARGV[12] pair   ARGV[13] token
-- full:    ARGV[12] pair
-- cancel:  ARGV[12 ...] ids
-- REPLY    { spent, pair, level_milli } | { over, pair, level_milli, wait_us } | { unknown } | { noted, level_milli } |
--          { cancels, pair, order_id, over (0 | 1), ... }
--          Numbers travel as decimal text. One that does not fit is an error TOOLARGE, and nothing is written. A server that
--          hides its replication id is an error NOREPLID.

local MAX = 9007199254740991
local PARTS = 1000000
-- A counter that nobody has touched for so long is empty. In milliseconds.
local COUNTER_KEPT_MS = 3600000

local function fits(n)
  return n ~= nil and n >= 0 and n <= MAX and n == math.floor(n)
end

local function text(n)
  return string.format('%.0f', n)
end

local function too_large()
  return redis.error_reply('TOOLARGE a number of the trading counter does not fit')
end

local numbers = {}
for _, at in ipairs({ 2, 3, 4, 5, 6, 7, 8, 10 }) do
  local n = tonumber(ARGV[at])
  if not fits(n) then
    return too_large()
  end
  numbers[at] = n
end
local act = ARGV[1]
local max, usable, decay_rate = numbers[2], numbers[3], numbers[4]
local not_after_max, age_kept, level_max, span_max = numbers[5], numbers[6], numbers[7], numbers[8]
local now = numbers[10]
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
if max > level_max or decay_rate > PARTS or decay_rate == 0 or now > MAX - not_after_max then
  return too_large()
end
local replication_id = ARGV[11]
if replication_id == '' then
  replication_id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if not replication_id then
    return redis.error_reply('NOREPLID the server hides its replication id')
  end
end
local kept = redis.call('HMGET', KEYS[1], 'marker', 'replication_id', 'born_us', 'fresh')
local marker, born, fresh = kept[1], tonumber(kept[3]), kept[4] == '1'
if not marker or kept[2] ~= replication_id then
  return { 'unknown' }
end

local brackets = {}
for below, milli in string.gmatch(ARGV[9], '(%d+):(%d+)') do
  brackets[#brackets + 1] = { tonumber(below), tonumber(milli) }
end

local function aged(age)
  for _, bracket in ipairs(brackets) do
    if age < bracket[1] then
      return bracket[2]
    end
  end
  return 0
end

local function decay(counter, to)
  local elapsed = math.min(math.max(to - counter.at, 0), span_max)
  local parts = math.max(counter.level * PARTS - elapsed * decay_rate, 0)
  counter.level = math.ceil(parts / PARTS)
  counter.at = math.max(counter.at, to)
end

local function charge(counter, milli)
  counter.level = math.min(counter.level + milli, level_max)
end

local function load(pair)
  local fields = redis.call('HGETALL', KEYS[2] .. pair)
  local counter = { level = 0, at = 0, pending = {} }
  local generation = nil
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'generation' then
      generation = value
    elseif name == 'level_milli' then
      counter.level = tonumber(value)
    elseif name == 'at_us' then
      counter.at = tonumber(value)
    else
      local milli, ends = string.match(value, '^(%d+) (%d+)$')
      counter.pending[string.sub(name, 3)] = { tonumber(milli), tonumber(ends) }
    end
  end
  if generation ~= marker then
    counter = { level = max, at = born, pending = {} }
    if generation == nil and fresh then
      counter.level = 0
    end
  end
  counter.at = math.min(counter.at, now)
  local due = {}
  for token, spent in pairs(counter.pending) do
    local at = spent[2]
    if at > now + not_after_max then
      at = now
    end
    if at <= now then
      due[#due + 1] = { at, token, spent[1] }
    end
  end
  table.sort(due, function(a, b)
    return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
  end)
  for _, one in ipairs(due) do
    decay(counter, one[1])
    charge(counter, one[3])
    counter.pending[one[2]] = nil
  end
  decay(counter, now)
  return counter
end

local function save(pair, counter)
  local name = KEYS[2] .. pair
  redis.call('DEL', name)
  redis.call('HSET', name, 'generation', marker, 'level_milli', text(counter.level), 'at_us', text(counter.at))
  for token, spent in pairs(counter.pending) do
    redis.call('HSET', name, 'p:' .. token, text(spent[1]) .. ' ' .. text(spent[2]))
  end
  redis.call('PEXPIRE', name, COUNTER_KEPT_MS)
end

local function reach(counter)
  local sum = counter.level
  for _, spent in pairs(counter.pending) do
    sum = sum + spent[1]
  end
  return sum
end

local function order(id)
  local value = id ~= '' and id ~= '-' and redis.call('GET', KEYS[3] .. id)
  if not value then
    return nil
  end
  local at, cancelled, pair, order_id, cl_ord_id = string.match(value, '^(%d+) ([01]) (%S+) (%S+) (%S+)$')
  if not at then
    return nil
  end
  local known = { at = tonumber(at), cancelled = cancelled, pair = pair, order_id = order_id, cl_ord_id = cl_ord_id }
  -- The store forgets by itself, but not to the microsecond.
  if known.at + age_kept <= now then
    return nil
  end
  return known
end

local function remember(known)
  local value = text(known.at) .. ' ' .. known.cancelled .. ' ' .. known.pair .. ' ' .. known.order_id .. ' '
    .. known.cl_ord_id
  for _, id in ipairs({ known.order_id, known.cl_ord_id }) do
    if id ~= '-' then
      redis.call('SET', KEYS[3] .. id, value, 'PX', text(age_kept / 1000))
    end
  end
end

local function noted(pair, counter)
  save(pair, counter)
  return { 'noted', text(reach(counter)) }
end

if act == 'spend' then
  local pair, token, fixed, id, ends = ARGV[12], ARGV[13], tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16])
  if not (fits(fixed) and fits(ends)) or fixed > level_max then
    return too_large()
  end
  local known = order(id)
  local age = 0
  if known then
    age = math.max(now - known.at, 0)
  end
  if pair == '' and not known then
    return { 'unknown' }
  elseif pair == '' then
    pair = known.pair
  end
  local cost = fixed
  if id ~= '' then
    cost = cost + aged(age)
  end
  local counter = load(pair)
  counter.pending[token] = nil
  local level = reach(counter) + cost
  if level > usable then
    return { 'over', pair, text(level), text(math.ceil((level - usable) * PARTS / decay_rate)) }
  end
  counter.pending[token] = { cost, ends }
  save(pair, counter)
  return { 'spent', pair, text(level) }
end

if act == 'cancel' then
  local seen = { 'cancels' }
  for i = 12, #ARGV do
    local known = order(ARGV[i])
    if known then
      local cost = 0
      if known.cancelled == '0' then
        cost = aged(math.max(now - known.at, 0))
      end
      local counter = load(known.pair)
      charge(counter, cost)
      local over = cost > 0 and reach(counter) > max
      save(known.pair, counter)
      known.cancelled = '1'
      remember(known)
      seen[#seen + 1] = known.pair
      seen[#seen + 1] = known.order_id == '-' and '' or known.order_id
      seen[#seen + 1] = over and '1' or '0'
    else
      seen[#seen + 1] = ''
      seen[#seen + 1] = ''
      seen[#seen + 1] = '0'
    end
  end
  return seen
end

local pair, token = ARGV[12], ARGV[13]
local counter = load(pair)
if act == 'full' then
  counter.level = math.max(counter.level, max)
elseif act == 'refund' then
  counter.pending[token] = nil
else
  local spent = counter.pending[token]
  if spent then
    counter.pending[token] = nil
    charge(counter, spent[1])
  end
  for i = 14, #ARGV, 2 do
    local names = { at = now, cancelled = '0', pair = pair, order_id = ARGV[i], cl_ord_id = ARGV[i + 1] }
    for _, id in ipairs({ names.order_id, names.cl_ord_id }) do
      local known = order(id)
      if known then
        if names.order_id == '-' then
          names.order_id = known.order_id
        end
        if names.cl_ord_id == '-' then
          names.cl_ord_id = known.cl_ord_id
        end
      end
    end
    remember(names)
  end
end
return noted(pair, counter)
