package cli

import (
	"net/http"
	"strings"
	"testing"
)

// answered and lost are requests as of control-api section 2.
const (
	answered = `{"seq": 41, "time": "2026-11-29T12:00:00.123Z", "client": "172.17.0.2", "method": "GET", "path": "/latest/meta-data/mac", "imds": "v2",
		"status": 503, "bytes": 0, "duration_ms": 0.2, "identity": "", "role": "app-role", "fault": "f"}`
	lost = `{"seq": 42, "time": "2026-11-29T12:00:01Z", "client": "::1", "method": "GET\u001b", "path": "/latest/\u0007x\n", "imds": "v1",
		"status": 0, "bytes": 12, "duration_ms": 5, "identity": "", "role": ""}`

	requestHeader = "SEQ    TIME                      CLIENT           METHOD  PATH                                      VERSION  STATUS  BYTES  FAULT\n"
	answeredLine  = "41     2026-11-29T12:00:00.123Z  172.17.0.2       GET     /latest/meta-data/mac                     v2       503     0      f\n"
	lostLine      = "42     2026-11-29T12:00:01.000Z  ::1              GET\\x1b  /latest/\\ax\\n                             v1       -       12     -\n"
)

func both(first, second string) string { return `{"requests": [` + first + `, ` + second + `]}` }

func TestRequests_PrintsATableAndEnds(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"GET /v1/requests?after=0":                          once(http.StatusOK, both(answered, lost)),
		"GET /v1/requests?after=40&path=meta-data%2F%2A%2A": once(http.StatusOK, `{"requests": [`+answered+`]}`),
	})
	run(t, "requests").wants(t, ran{stdout: requestHeader + answeredLine + lostLine})
	run(t, "requests", "--since", "40", "--path", "meta-data/**").wants(t, ran{stdout: requestHeader + answeredLine})
	d.wantCalls(t, "GET /v1/requests?after=0", "GET /v1/requests?after=40&path=meta-data%2F%2A%2A")
}

func TestRequests_LongPathsHaveAWiderColumn(t *testing.T) {
	const long = "/latest/meta-data/iam/security-credentials/mock-role"
	second := strings.Replace(answered, "/latest/meta-data/mac", long, 1)
	startFake(t, map[string][]fakeAnswer{"GET /v1/requests?after=0": once(http.StatusOK, both(answered, second))})
	got := run(t, "requests")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], "  "+long+"  v2  ") {
		t.Fatalf("%+v", got)
	}
	for _, line := range lines[1:] {
		if strings.Index(line, "503") != strings.Index(lines[0], "STATUS") {
			t.Errorf("the columns are not aligned:\n%s", got.stdout)
		}
	}
}

func TestRequests_JSONIsOneDocument(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{"GET /v1/requests?after=0": once(http.StatusOK, `{"requests": [`+answered+`]}`)})
	run(t, "requests", "--json").wants(t, ran{stdout: `{
  "requests": [
    {
      "seq": 41,
      "time": "2026-11-29T12:00:00.123Z",
      "client": "172.17.0.2",
      "method": "GET",
      "path": "/latest/meta-data/mac",
      "imds": "v2",
      "status": 503,
      "bytes": 0,
      "duration_ms": 0.2,
      "identity": "",
      "role": "app-role",
      "fault": "f"
    }
  ]
}
`})
}

func TestRequests_WithoutAnyHasAHeader(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{"GET /v1/requests?after=0": once(http.StatusOK, `{"requests": []}`)})
	run(t, "requests").wants(t, ran{stdout: requestHeader})
	run(t, "requests", "--json").wants(t, ran{stdout: "{\n  \"requests\": []\n}\n"})
}

// TestRequests_FollowsUntilItIsInterrupted has one request at first, none within a poll, and a further one.
func TestRequests_FollowsUntilItIsInterrupted(t *testing.T) {
	answers := func() map[string][]fakeAnswer {
		return map[string][]fakeAnswer{
			"GET /v1/requests?after=0":              once(http.StatusOK, `{"requests": [`+answered+`]}`),
			"GET /v1/requests?after=41&timeout=30s": {{http.StatusOK, `{"requests": []}`}, {http.StatusOK, `{"requests": [` + lost + `]}`}},
			"GET /v1/requests?after=42&timeout=30s": once(0, ""),
		}
	}
	startFake(t, answers())
	runUntil(t, "42", "requests", "--follow").wants(t, ran{stdout: requestHeader + answeredLine + lostLine})

	startFake(t, answers())
	got := runUntil(t, `"seq":42`, "requests", "--follow", "--json")
	lines := strings.Split(got.stdout, "\n")
	if got.code != 0 || got.stderr != "" || len(lines) != 3 || !strings.HasPrefix(lines[0], `{"seq":41,"time":"2026-11-29T12:00:00.123Z",`) {
		t.Errorf("%+v", got)
	}
}

func TestRequests_FollowHasAHeaderBeforeTheFirstRequest(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/requests?after=7":             once(http.StatusOK, `{"requests": []}`),
		"GET /v1/requests?after=7&timeout=30s": once(0, ""),
	})
	runUntil(t, "FAULT\n", "requests", "--follow", "--since", "7").wants(t, ran{stdout: requestHeader})
}

func TestRequests_FollowEndsWithTheDaemon(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{"GET /v1/requests?after=0": once(http.StatusOK, `{"requests": []}`)})
	run(t, "requests", "--follow").wants(t, ran{code: exitFailure, stdout: requestHeader, stderr: "mock-ec2-metadata: there is no such thing\n"})
	d.wantCalls(t, "GET /v1/requests?after=0", "GET /v1/requests?after=0&timeout=30s")
}

func TestRequests_WrongCommandLineExits2(t *testing.T) {
	d := startFake(t, nil)
	for _, tt := range []struct{ line, want string }{
		{"all", `requests takes no arguments, but got "all"`},
		{"--since then", `invalid argument "then" for "--since" flag: write the SEQ of a request, a whole number from 0`},
		{"--since -1", `invalid argument "-1" for "--since" flag: write the SEQ of a request, a whole number from 0`},
		{"--path=", `invalid argument "" for "--path" flag: write a value, or leave out the flag`},
	} {
		run(t, append([]string{"requests"}, strings.Fields(tt.line)...)...).wants(t, ran{
			code: exitUsage, stderr: "mock-ec2-metadata: " + tt.want + "\nmock-ec2-metadata requests --help shows the commands and flags.\n",
		})
	}
	d.wantCalls(t)
}
