package imds

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"mock-ec2-metadata/internal/fault"
)

// skewAnswer shifts the times of an answer, as if the service's clock were wrong. Those of credentials are shifted by their source.
func skewAnswer(rec *fault.Recorder, path string, by time.Duration) {
	rec.Header()["Date"] = []string{time.Now().Add(by).UTC().Format(http.TimeFormat)}
	if hasTimes(path) {
		rec.Replace(skewTimes(rec.Body(), by))
	}
}

// hasTimes reports whether a path's value has times of the service. The identity document has, too, but its signatures must stay valid.
func hasTimes(path string) bool {
	_, below, _ := strings.Cut(path[1:], "/")
	switch below {
	case "meta-data/iam/info", "meta-data/identity-credentials/ec2/info":
		return true
	}
	return strings.HasPrefix(below, "meta-data/spot/") || strings.HasPrefix(below, "meta-data/events/")
}

// times finds what may be a time: RFC 3339, or that of maintenance events.
var times = regexp.MustCompile(`\b(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})|` +
	`[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT)\b`)

const (
	rfc3339Seconds  = "2006-01-02T15:04:05" // what follows, a fraction and an offset, stays as it is
	maintenanceTime = "02 Jan 2006 15:04:05 GMT"
)

// skewTimes shifts all times in a text by whole seconds. What is no time stays, and so does a time whose year would not have four
// digits.
func skewTimes(text []byte, by time.Duration) []byte {
	return times.ReplaceAllFunc(text, func(found []byte) []byte {
		layout, rest := maintenanceTime, ""
		s := string(found)
		if !strings.HasSuffix(s, "GMT") {
			layout, s, rest = rfc3339Seconds, s[:len(rfc3339Seconds)], s[len(rfc3339Seconds):]
		} else if s[1] == ' ' {
			s = "0" + s
		}
		t, err := time.Parse(layout, s)
		if err != nil {
			return found
		}
		if t = t.Add(by.Truncate(time.Second)); t.Year() < 0 || t.Year() > 9999 {
			return found
		}
		return []byte(t.Format(layout) + rest)
	})
}
