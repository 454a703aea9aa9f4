-- Sends the method that is its first argument, and prints what wrk has measured as one line of JSON.
function init(args)
  wrk.method = args[1]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests":%d,"microseconds":%d,"p99":%d,"refused":%d,"socketErrors":%d}',
    summary.requests, summary.duration, latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))
end
