-- Prints what wrk has measured as one line of JSON.
function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"socketErrors":%d}',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout))
end
