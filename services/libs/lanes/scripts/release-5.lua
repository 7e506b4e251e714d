-- Gives a key back. Mirrors `apply_release` in src/grant/mod.rs; a test holds the two together.
--
-- KEYS[1]  hash, the grant record of one API key
-- KEYS[2]  hash, live members of the caller's pool
-- KEYS[3]  hash, the generation of the domain
-- ARGV[1]  owner                  ARGV[2]  epoch
-- ARGV[3]  last_us, the highest nonce that may have been sent, rounded up
-- ARGV[4]  counter_milli, how high the REST counter may be
-- ARGV[5]  1 if the caller also leaves its pool
-- ARGV[6]  time in microseconds, for tests and simulations only; 0 takes the server's own
-- ARGV[7]  replication id, for tests and simulations only; empty takes the server's own
-- ARGV[8]  channel on which releases are told, and
-- ARGV[9]  what to tell: the fingerprint of the key. Whoever waits for the key need not find out by asking.
-- ARGV[10] ttl_us, how long a grant lasts
-- REPLY    1 if the key was the caller's, else 0
--          A number that is not an integer below 2^53 is an error TOOLARGE, and nothing is written.

local MAX = 9007199254740991

local function fits(n)
  return n ~= nil and n >= 0 and n <= MAX and n == math.floor(n)
end

local function text(n)
  return string.format('%.0f', n)
end

local owner = ARGV[1]
local epoch, last, counter, now = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
local ttl = tonumber(ARGV[10])
if not (fits(epoch) and fits(last) and fits(last + 1) and fits(counter) and fits(now) and fits(ttl)) then
  return redis.error_reply('TOOLARGE a number of the grant does not fit below 2^53')
end
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

if ARGV[5] == '1' then
  -- It stays known as one that mounts nothing, until it is forgotten (src/grant/members.rs).
  local expires, _, where = string.match(redis.call('HGET', KEYS[2], owner) or '', '^(%d+) (%S*) (.*)$')
  if expires then
    redis.call('HSET', KEYS[2], owner, expires .. '  ' .. where)
  end
end

local replication_id = ARGV[7]
if replication_id == '' then
  replication_id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
local kept = redis.call('HMGET', KEYS[3], 'marker', 'replication_id')
local fields = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'lo_us', 'generation', 'counter_at_us')
if not fields[2] or fields[1] ~= owner or tonumber(fields[2]) ~= epoch then
  return 0
end
-- A record of another generation may be old, and says nothing.
if not kept[1] or kept[2] ~= replication_id or fields[4] ~= kept[1] then
  return 0
end
-- A clock that has run back below the last renewal would let the counter decay for as long again once it is right.
local counter_at = now
if now + ttl < tonumber(fields[5]) then
  counter_at = tonumber(fields[5])
end
redis.call('HSET', KEYS[1], 'owner', '', 'advertise', '', 'expires_us', '0', 'hi_us',
  text(math.max(tonumber(fields[3]), last + 1)),
  'counter_ceiling_milli', text(counter), 'counter_at_us', text(counter_at))
-- A user whose rights do not cover the channel must still be able to give a key back.
redis.pcall('PUBLISH', ARGV[8], ARGV[9])
return 1
