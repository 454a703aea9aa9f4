package web

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// entry is one line of the access log. It is formatted by hand and without allocations: slog takes as long for a line as the
// daemon takes for the rest of the answer.
type entry struct {
	at                   time.Time
	client, method, path string
	status               int
	bytes                int64
	took                 time.Duration
	imds                 string // "" leaves it out
	caller               Caller // what is "" is left out
	fault                string // likewise
	route                Route  // in JSON alone
}

// appendText appends the line as slog.TextHandler writes it.
func (e *entry) appendText(b []byte, s *stamps) []byte {
	b = append(b, "time="...)
	b = s.appendMillis(b, e.at)
	b = append(b, " level=INFO msg=request client="...)
	b = appendWord(b, e.client)
	b = append(b, " method="...)
	b = appendWord(b, e.method)
	b = append(b, " path="...)
	b = appendWord(b, e.path)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, " bytes="...)
	b = strconv.AppendInt(b, e.bytes, 10)
	b = append(b, " duration="...)
	b = appendDuration(b, e.took)
	if e.imds != "" {
		b = append(b, " imds="...)
		b = append(b, e.imds...)
	}
	if e.caller.Role != "" {
		b = append(b, " role="...)
		b = appendWord(b, e.caller.Role)
	}
	if e.caller.Identity != "" {
		b = append(b, " identity="...)
		b = appendWord(b, e.caller.Identity)
	}
	if e.fault != "" {
		b = append(b, " fault="...)
		b = appendWord(b, e.fault)
	}
	return append(b, '\n')
}

// stamps caches the text of the last second in the process's time zone. Most lines are of the same second.
type stamps struct{ last atomic.Pointer[stamp] }

type stamp struct {
	unix          int64
	before, after string // text before and after the fraction of the second
}

// appendMillis appends RFC 3339 with milliseconds.
func (s *stamps) appendMillis(b []byte, t time.Time) []byte {
	last := s.last.Load()
	if last == nil || last.unix != t.Unix() {
		last = &stamp{t.Unix(), t.Format("2006-01-02T15:04:05"), t.Format("Z07:00")}
		s.last.Store(last)
	}
	ms := t.Nanosecond() / int(time.Millisecond)
	b = append(b, last.before...)
	b = append(b, '.', digit(ms/100), digit(ms/10), digit(ms))
	return append(b, last.after...)
}

func digit(n int) byte { return '0' + byte(n%10) } //nolint:gosec // one digit

// appendJSON appends the line as slog.JSONHandler writes it; the duration is in nanoseconds.
func (e *entry) appendJSON(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = e.at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"request","client":`...)
	b = appendString(b, e.client)
	b = append(b, `,"method":`...)
	b = appendString(b, e.method)
	b = append(b, `,"path":`...)
	b = appendString(b, e.path)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, e.bytes, 10)
	b = append(b, `,"duration":`...)
	b = strconv.AppendInt(b, int64(e.took), 10)
	b = append(b, `,"route":"`...)
	b = append(b, e.route.String()...)
	b = append(b, '"')
	if e.imds != "" {
		b = append(b, `,"imds":"`...)
		b = append(b, e.imds...)
		b = append(b, '"')
	}
	if e.caller.Role != "" {
		b = append(b, `,"role":`...)
		b = appendString(b, e.caller.Role)
	}
	if e.caller.Identity != "" {
		b = append(b, `,"identity":`...)
		b = appendString(b, e.caller.Identity)
	}
	if e.fault != "" {
		b = append(b, `,"fault":`...)
		b = appendString(b, e.fault)
	}
	return append(b, "}\n"...)
}

// special marks the bytes that need quotes or escapes in one of the formats.
var special = func() (table [256]bool) {
	for c := range table {
		table[c] = c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\'
	}
	return table
}()

// plain reports whether a text needs neither.
func plain(s string) bool {
	for i := range len(s) {
		if special[s[i]] {
			return false
		}
	}
	return s != ""
}

func appendWord(b []byte, s string) []byte {
	if plain(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return append(b, quoted...)
}

// appendDuration appends d.String() without its allocation, for durations below a second.
func appendDuration(b []byte, d time.Duration) []byte {
	unit, name := time.Microsecond, "µs"
	switch {
	case d < time.Microsecond || d >= time.Second:
		return append(b, d.String()...)
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	}
	b = strconv.AppendInt(b, int64(d/unit), 10)
	if rest := d % unit; rest > 0 {
		b = append(b, '.')
		for rest > 0 {
			unit /= 10
			b = append(b, digit(int(rest/unit)))
			rest %= unit
		}
	}
	return append(b, name...)
}

// host returns the address of host:port without brackets.
func host(hostPort string) string {
	i := strings.LastIndexByte(hostPort, ':')
	if i < 0 {
		return hostPort
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostPort[:i], "["), "]")
}
