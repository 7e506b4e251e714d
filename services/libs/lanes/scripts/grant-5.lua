-- The rules of the grant. Mirrors `apply` in src/grant/mod.rs line by line; a test holds the two together.
--
-- KEYS[1]  hash, the grant record of one API key. It has no TTL: expires_us is a number inside it, so that
--          forgetting an owner cannot forget hi_us.
-- KEYS[2]  hash, live members of the caller's pool: owner -> "<expires_us> <mounts> <advertise>"
-- KEYS[3]  hash, the generation of the domain: marker, replication_id, born_us, fresh (0 | 1)
-- ARGV[1]  intent: take | renew | look        ARGV[2]  epoch to renew, else 0
-- ARGV[3]  owner                              ARGV[4]  advertise
-- ARGV[5]  unit: ms | us | ns                 ARGV[6]  window_us
-- ARGV[7]  floor_us                           ARGV[8]  ttl_us
-- ARGV[9]  reserve_us                         ARGV[10] counter_ceiling_milli
-- ARGV[11] counter_decay_milli_per_s          ARGV[12] caller_now_us
-- ARGV[13] epoch_seen                         ARGV[14] recovery_floor_us, 0 for none
-- ARGV[15] held lo_us                         ARGV[16] held hi_us, 0 for nothing held
-- ARGV[17] skew_max_us                        ARGV[18] lead_cap_us
-- ARGV[19] recovery_us
-- ARGV[20] mounts: fingerprints of the keys that the caller can own in this pool, with commas between
-- ARGV[21] marker of the generation that the caller knows of, empty for none
-- ARGV[22] time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[23] replication id, for tests and simulations only; empty takes the server's own
-- REPLY    { kind, { numbers and texts of the kind },
--            { owner, advertise, expires_us, mounts, ... of all live members },
--            { marker, born_us, reach_us (0: the key has no record of this generation) }, or three empty texts while
--              there is no generation: only a caller who agrees with the store about the time begins one }
--          granted: epoch, lo_us, hi_us, expires_us, now_us, first of epoch (0 | 1), and what the record before said
--                   of the counter: known (0 | 1), ceiling_milli, decay_milli_per_s, at_us
--          held:    owner, advertise, expires_us, now_us
--          free, lost, skewed: now_us      recovering: until_us, now_us      too_far_ahead: lo_us, now_us
--          All numbers travel as decimal text. A number that is not an integer below 2^53 is an error TOOLARGE, and
--          nothing is written. A server that hides its replication id is an error NOREPLID.

local MAX = 9007199254740991

local function fits(n)
  return n ~= nil and n >= 0 and n <= MAX and n == math.floor(n)
end

-- tostring and .. keep 14 digits only; a time in microseconds has 16.
local function text(n)
  return string.format('%.0f', n)
end

local numbers = {}
for _, at in ipairs({ 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 22 }) do
  local n = tonumber(ARGV[at])
  if not fits(n) then
    return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
  end
  numbers[at] = n
end

local intent, owner, advertise, unit = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local epoch, window, floor, ttl, reserve = numbers[2], numbers[6], numbers[7], numbers[8], numbers[9]
local caller_now, epoch_seen, recovery_floor = numbers[12], numbers[13], numbers[14]
local held_lo, held_hi = numbers[15], numbers[16]
local skew_max, lead_cap, recovery = numbers[17], numbers[18], numbers[19]
local now = numbers[22]
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
if not fits(now + ttl) then
  return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
end
local replication_id = ARGV[23]
if replication_id == '' then
  replication_id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  if not replication_id then
    return redis.error_reply('NOREPLID the server hides its replication id')
  end
end

local kept = redis.call('HMGET', KEYS[3], 'marker', 'replication_id', 'born_us', 'fresh')
local marker, born, fresh, begun = kept[1], tonumber(kept[3]), kept[4] == '1', false
-- One that is born in the future, although caller and store agree about the time, began while a clock ran ahead.
local agreed = math.abs(now - caller_now) <= skew_max
local missing = not kept[1] or kept[2] ~= replication_id or (agreed and born > now + skew_max)
if missing and agreed then
  marker, born, fresh, begun = owner .. '-' .. text(now), math.max(now, caller_now), false, true
end

local fields = redis.call('HMGET', KEYS[1], 'owner', 'advertise', 'epoch', 'expires_us', 'lo_us', 'hi_us',
  'window_us', 'counter_ceiling_milli', 'counter_decay_milli_per_s', 'counter_at_us', 'generation')
local record, current = nil, nil
if fields[3] then
  record = {
    owner = fields[1], advertise = fields[2], epoch = tonumber(fields[3]), expires = tonumber(fields[4]),
    lo = tonumber(fields[5]), hi = tonumber(fields[6]), window = tonumber(fields[7]),
    ceiling = fields[8], decay = fields[9], at = fields[10],
  }
  if fields[11] == marker then
    current = record
  end
end

-- Nothing is written before all numbers of the answer are known to fit.
local function begin()
  if begun then
    redis.call('HSET', KEYS[3], 'marker', marker, 'replication_id', replication_id, 'born_us', text(born),
      'fresh', '0')
  end
end

-- Mirrors src/grant/members.rs.
local function members()
  local mounted = ARGV[20]
  local expired, before = string.match(redis.call('HGET', KEYS[2], owner) or '', '^(%d+) (%S*) ')
  if before == '' and tonumber(expired) > now and tonumber(expired) <= now + ttl + skew_max then
    -- It has said that it leaves; a request that was under way does not bring it back.
    mounted = ''
  end
  redis.call('HSET', KEYS[2], owner, text(now + ttl) .. ' ' .. mounted .. ' ' .. advertise)
  local found, all = {}, redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local expires, mounts, where = string.match(all[i + 1], '^(%d+) (%S*) (.*)$')
    -- What lies further ahead than an announcement reaches was written while the clock ran ahead.
    if expires and tonumber(expires) > now and tonumber(expires) <= now + ttl + skew_max then
      if mounts ~= '' or all[i] == owner then
        found[#found + 1] = all[i]
        found[#found + 1] = where
        found[#found + 1] = expires
        found[#found + 1] = mounts
      end
    else
      redis.call('HDEL', KEYS[2], all[i])
    end
  end
  return found
end

if missing and not agreed then
  return { 'skewed', { text(now) }, members(), { '', '', '' } }
end

local function answer(kind, told, reach)
  begin()
  return { kind, told, members(), { marker, text(born), reach } }
end

local function refuse(kind, told)
  local reach = '0'
  if current ~= nil then
    reach = text(math.max(current.hi, now))
  end
  return answer(kind, told, reach)
end

local function held()
  return refuse('held', { current.owner, current.advertise, text(current.expires), text(now) })
end

local live = current ~= nil and current.expires > now
-- A prepared store has lost nothing: what has no record was never granted.
local unknown = current == nil and not (fresh and record == nil)
local recovered = born + recovery

if intent == 'look' then
  if live then
    return held()
  elseif unknown and now < recovered then
    return refuse('recovering', { text(recovered), text(now) })
  end
  return refuse('free', { text(now) })
end
if not agreed then
  return refuse('skewed', { text(now) })
end

local lo, first, hi_min
if intent == 'renew' then
  if current ~= nil and current.owner == owner and current.epoch == epoch then
    lo, first, hi_min = current.lo, false, current.hi
  elseif current == nil and held_hi > 0
    and (record == nil or record.epoch < epoch or (record.epoch == epoch and record.owner == owner)) then
    lo, first, hi_min = held_lo, false, held_hi
  else
    return refuse('lost', { text(now) })
  end
else
  if live and current.owner ~= owner then
    return held()
  end
  local again = current ~= nil and current.owner == owner and current.epoch > epoch_seen
  -- A memory so old that its floor has passed the lead guard is worth no more than none.
  local jumps = unknown and (recovery_floor == 0 or recovery_floor > now + lead_cap)
  local range = ttl + reserve + window + 1
  local until_us = recovered
  if jumps then
    until_us = recovered + reserve + window + 1
  end
  -- What the caller remembers may be of a generation before the last one; with this answer it learns that.
  if unknown and (now < until_us or ARGV[21] ~= marker) then
    return refuse('recovering', { text(until_us), text(now) })
  end
  if again then
    -- An answer was lost: the caller took the key and does not know it. The same grant again.
    lo, first, hi_min, epoch = math.max(current.lo, floor), true, current.hi, current.epoch
  else
    lo, first, hi_min, epoch = math.max(now, floor), true, 0, epoch_seen
    if record ~= nil then
      lo = math.max(record.hi + math.max(record.window, window) + 1, lo)
      epoch = math.max(record.epoch, epoch_seen)
    end
    epoch = epoch + 1
    if jumps then
      lo = math.max(lo, now + range, now + lead_cap + range)
    elseif unknown then
      lo = math.max(lo, now + range, recovery_floor)
    end
    if not jumps and lo > now + lead_cap then
      return refuse('too_far_ahead', { text(lo), text(now) })
    end
  end
end

local hi = math.max(math.max(lo, now, floor) + ttl + reserve, hi_min)
if record ~= nil then
  hi = math.max(hi, record.hi)
end
local expires = now + ttl
if not (fits(epoch) and fits(lo) and fits(hi)) then
  return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
end

local counter = { '0', '0', '0', '0' }
if first and current ~= nil then
  counter = { '1', current.ceiling, current.decay, current.at }
end
redis.call('HSET', KEYS[1], 'owner', owner, 'advertise', advertise, 'epoch', text(epoch),
  'expires_us', text(expires), 'lo_us', text(lo), 'hi_us', text(hi), 'unit', unit, 'window_us', text(window),
  'counter_ceiling_milli', ARGV[10], 'counter_decay_milli_per_s', ARGV[11], 'counter_at_us', text(expires),
  'generation', marker)
return answer('granted',
  { text(epoch), text(lo), text(hi), text(expires), text(now), first and '1' or '0',
    counter[1], counter[2], counter[3], counter[4] },
  text(math.max(hi, now)))
