package imds

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSkewTimes_ShiftsTimesAlone(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		by         time.Duration
		want       string
	}{
		{name: "spot", text: `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`, by: time.Hour, want: `{"action": "terminate", "time": "2017-09-18T09:22:00Z"}`},
		{name: "plain", text: "2017-09-18T08:22:00Z", by: -24 * time.Hour, want: "2017-09-17T08:22:00Z"},
		{name: "fraction and offset stay", text: "2017-12-31T23:59:59.120+02:00", by: time.Second, want: "2018-01-01T00:00:00.120+02:00"},
		{
			name: "maintenance", text: `[{"NotBefore" : "21 Jan 2019 09:00:43 GMT", "NotAfter" : "1 Feb 2019 09:17:23 GMT"}]`, by: 24 * time.Hour,
			want: `[{"NotBefore" : "22 Jan 2019 09:00:43 GMT", "NotAfter" : "02 Feb 2019 09:17:23 GMT"}]`,
		},
		{name: "below a second", text: "2017-09-18T08:22:00Z", by: 999 * time.Millisecond, want: "2017-09-18T08:22:00Z"},
		{name: "no such day", text: "2017-02-30T08:22:00Z", by: time.Hour, want: "2017-02-30T08:22:00Z"},
		{name: "no such month", text: "21 Foo 2019 09:00:43 GMT", by: time.Hour, want: "21 Foo 2019 09:00:43 GMT"},
		{name: "within a number", text: "12017-09-18T08:22:00Z", by: time.Hour, want: "12017-09-18T08:22:00Z"},
		{name: "without a zone", text: "2017-09-18T08:22:00", by: time.Hour, want: "2017-09-18T08:22:00"},
		{name: "beyond year 9999", text: "9999-12-31T23:59:59Z", by: time.Second, want: "9999-12-31T23:59:59Z"},
		{name: "none", text: "i-0123456789abcdef0", by: time.Hour, want: "i-0123456789abcdef0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(skewTimes([]byte(tt.text), tt.by)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestHasTimes_IsTrueOfPathsWithTimesOfTheService(t *testing.T) {
	for path, want := range map[string]bool{
		"/latest/meta-data/spot/instance-action":                true,
		"/2018-03-28/meta-data/spot/termination-time":           true,
		"/latest/meta-data/events/maintenance/scheduled":        true,
		"/latest/meta-data/events/recommendations/rebalance":    true,
		"/latest/meta-data/iam/info":                            true,
		"/latest/meta-data/identity-credentials/ec2/info":       true,
		"/latest/dynamic/instance-identity/document":            false,
		"/latest/dynamic/instance-identity/pkcs7":               false,
		"/latest/user-data":                                     false,
		"/latest/meta-data/iam/security-credentials/myrole":     false,
		"/latest/meta-data/iam/info/more":                       false,
		"/latest/meta-data/spotless":                            false,
		"/":                                                     false,
		"/latest":                                               false,
		"/latest/meta-data/tags/instance/meta-data/spot/action": false,
	} {
		if got := hasTimes(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// oneDigit finds days of one digit, which get a second one.
var oneDigit = regexp.MustCompile(`\b[0-9] [A-Z]`)

// FuzzSkewTimes requires that nothing but times changes, that JSON stays JSON, and that the way back leads to the same text.
func FuzzSkewTimes(f *testing.F) {
	f.Add(`{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`, int64(3600))
	f.Add(`[ { "NotBefore" : "21 Jan 2019 09:00:43 GMT", "EventId" : "instance-event-0123456789abcdef0" } ]`, int64(-86400))
	f.Add("2017-12-31T23:59:59.1234567890+02:00 9999-12-31T23:59:59Z 1 Feb 2019 09:17:23 GMT", int64(1))
	f.Add("29 Feb 2021 00:00:00 GMT0001-01-01T00:00:00Z\xff", int64(-1))
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		by := time.Duration(seconds%(400*24*3600)) * time.Second
		skewed := skewTimes([]byte(text), by)
		if json.Valid([]byte(text)) && !json.Valid(skewed) {
			t.Errorf("no JSON: %s", skewed)
		}
		if oneDigit.MatchString(text) {
			return
		}
		if len(skewed) != len(text) {
			t.Fatalf("%q has another length than %q", skewed, text)
		}
		last := 0
		for _, span := range append(times.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
			if got, want := string(skewed[last:span[0]]), text[last:span[0]]; got != want {
				t.Errorf("%q became %q", want, got)
			}
			last = span[1]
		}
		atEdge := strings.Contains(text+string(skewed), "000") || strings.Contains(text+string(skewed), "999")
		if back := skewTimes(skewed, -by); string(back) != text && !atEdge {
			t.Errorf("by %v and back: %q, want %q", by, back, text)
		}
	})
}
