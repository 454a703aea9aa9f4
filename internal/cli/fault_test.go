package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
)

// TestFaultAdd_CommandLineBecomesTheBody has each flag.
func TestFaultAdd_CommandLineBecomesTheBody(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"POST /v1/faults":  once(http.StatusCreated, outage),
		"PUT /v1/faults/f": once(http.StatusOK, outage),
	})
	for _, tt := range []struct{ line, want string }{
		{"--status 503", `{"status":503}`},
		{"--status 503 --retry-after 7s", `{"retry_after":"7s","status":503}`},
		{"--delay 300ms --jitter 100ms", `{"delay":"300ms","jitter":"100ms"}`},
		{"--delay 1s --reset", `{"delay":"1s","reset":true}`},
		{"--hang", `{"hang":true}`},
		{"--drip 30ms", `{"drip":"30ms"}`},
		{"--stall 0", `{"stall":0}`},
		{"--cut 10", `{"cut":10}`},
		{"--truncate 10", `{"truncate":10}`},
		{"--body empty", `{"body":"empty"}`},
		{"--redirect", `{"redirect":true}`},
		{"--no-ttl", `{"no_ttl":true}`},
		{"--tokens forget", `{"tokens":"forget"}`},
		{"--token-lost", `{"token_lost":true}`},
		{"--throttle 5", `{"throttle":{"burst":5,"rate":5}}`},
		{"--throttle 5:10 --throttle-answer 503", `{"throttle":{"answer":503,"burst":10,"rate":5}}`},
		{"--throttle-answer drop --throttle 5:10", `{"throttle":{"answer":"drop","burst":10,"rate":5}}`},
		{"--expires-in 5m", `{"credentials":{"expires_in":"5m"}}`},
		{"--expired", `{"credentials":{"expired":true}}`},
		{"--credentials-code X", `{"credentials":{"code":"X"}}`},
		{"--skew -5m", `{"skew":"-5m"}`},
		{"--hang=false --reset", `{"reset":true}`},
		{
			"--hang --path meta-data/iam/** --path api/token --method GET --method PUT --version v1 --client 172.17.0.0/16 --client ::1 --user-agent boto",
			`{"hang":true,"match":{"clients":["172.17.0.0/16","::1"],"methods":["GET","PUT"],"paths":["meta-data/iam/**","api/token"],"user_agent":"boto","version":"v1"}}`,
		},
		{
			"--hang --percent 20 --skip 2 --count 5 --every 3 --for 10m --seed -7",
			`{"dose":{"count":5,"every":3,"for":"10m","percent":20,"seed":-7,"skip":2},"hang":true}`,
		},
		{"--hang --until 2026-12-01T03:00:00+01:00", `{"dose":{"until":"2026-12-01T02:00:00Z"},"hang":true}`},
		{"--hang --percent 0 --count 0", `{"dose":{"count":0,"percent":0},"hang":true}`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			got := run(t, append([]string{"fault", "add"}, strings.Fields(tt.line)...)...)
			got.wants(t, ran{stdout: "f delay 1s, status 503, Retry-After 7s for GET meta-data/iam/** v2, at most 2\n"})
			d.wantCalls(t, "POST /v1/faults "+tt.want)
			if got := run(t, append([]string{"fault", "add", "--id", "f"}, strings.Fields(tt.line)...)...); got.code != 0 {
				t.Errorf("%+v", got)
			}
			d.wantCalls(t, "PUT /v1/faults/f "+tt.want)
			if _, _, err := config.ParseFault([]byte(tt.want)); err != nil {
				t.Errorf("the daemon refuses it: %v", err)
			}
		})
	}
}

func TestFaultAdd_WrongCommandLineExits2(t *testing.T) {
	d := startFake(t, nil)
	for _, tt := range []struct{ line, want string }{
		{
			"", "fault add: an effect is missing; write one of --status, --reset, --hang, --drip, --stall, --cut, --truncate, --body, --redirect, " +
				"--no-ttl, --tokens, --token-lost, --throttle, --expires-in, --expired, --credentials-code, --skew, or --delay",
		},
		{"--status 503 --hang", "fault add: a fault has one effect, but --status and --hang are there; add a fault for each"},
		{"--expired --expires-in 5m --reset", "fault add: a fault has one effect, but --reset and --expires-in and --expired are there; add a fault for each"},
		{"--retry-after 7s", "fault add: --retry-after goes with --status; add for example: --status 503"},
		{"--throttle-answer drop", "fault add: --throttle-answer goes with --throttle; add for example: --throttle 5:10"},
		{"--throttle-answer drop --hang", "fault add: --throttle-answer goes with --throttle; add for example: --throttle 5:10"},
		{"--status teapot", `invalid argument "teapot" for "--status" flag: write a whole number from 1`},
		{"--hang --count -1", `invalid argument "-1" for "--count" flag: write a whole number from 0`},
		{"--hang --every 0", `invalid argument "0" for "--every" flag: write a whole number from 1`},
		{"--hang --seed x", `invalid argument "x" for "--seed" flag: write a whole number`},
		{"--hang --version v3", `invalid argument "v3" for "--version" flag: write one of v1, v2`},
		{"--hang --for long", `invalid argument "long" for "--for" flag: write a duration such as 30s, 5m or 1h30m`},
		{"--hang --until then", `invalid argument "then" for "--until" flag: write a time of RFC 3339 such as 2026-12-01T02:00:00Z`},
		{"--skew far", `invalid argument "far" for "--skew" flag: write a duration such as 5m or -5m`},
		{"--tokens eat", `invalid argument "eat" for "--tokens" flag: write one of refuse, forget`},
		{"--throttle 5:0", `invalid argument "5:0" for "--throttle" flag: write requests a second, and how many may come at once, such as 5 or 5:10`},
		{"--throttle 5:", `invalid argument "5:" for "--throttle" flag: write requests a second, and how many may come at once, such as 5 or 5:10`},
		{"--throttle 5 --throttle-answer 500", `invalid argument "500" for "--throttle-answer" flag: write 503 or drop`},
		{"--hang now", `add takes no arguments, but got "now"`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			run(t, append([]string{"fault", "add"}, strings.Fields(tt.line)...)...).wants(t, ran{
				code: exitUsage, stderr: "mock-ec2-metadata: " + tt.want + "\nmock-ec2-metadata fault add --help shows the commands and flags.\n",
			})
			d.wantCalls(t)
		})
	}
}

func TestFaultList_HasALineForEach(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{"GET /v1/faults": once(http.StatusOK, fmt.Sprintf(`{"faults": [%s, %s]}`, outage, hanging))})
	run(t, "fault", "list").wants(t, ran{stdout: `ID  MATCH                    DOSE       EFFECT                                HITS
f   GET meta-data/iam/** v2  at most 2  delay 1s, status 503, Retry-After 7s  2
f1  all                      always     hang                                  0
`})
	d.wantCalls(t, "GET /v1/faults")
}

func TestFaultList_WithoutFaultsHasAHeader(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{"GET /v1/faults": once(http.StatusOK, `{"faults": []}`)})
	run(t, "fault", "list").wants(t, ran{stdout: "ID  MATCH  DOSE  EFFECT  HITS\n"})
	run(t, "fault", "list", "--json").wants(t, ran{stdout: "{\n  \"faults\": []\n}\n"})
}

func TestFaultShow_IsReadable(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{
		"GET /v1/faults/f":  once(http.StatusOK, outage),
		"GET /v1/faults/f1": once(http.StatusOK, hanging),
	})
	run(t, "fault", "show", "f").wants(t, ran{stdout: `id: f
match: GET meta-data/iam/** v2
dose: at most 2
effect: delay 1s, status 503, Retry-After 7s
hits: 2
created: 2026-11-29T12:00:00Z
expires: never
`})
	run(t, "fault", "show", "f1").wants(t, ran{stdout: `id: f1
match: all
dose: always
effect: hang
hits: 0
created: 2026-11-29T12:00:00Z
expires: 2026-11-29T12:10:00Z
`})
	run(t, "fault", "show", "f1", "--json").wants(t, ran{stdout: `{
  "id": "f1",
  "match": {},
  "dose": {},
  "effect": {
    "hang": true
  },
  "hits": 0,
  "created_at": "2026-11-29T12:00:00Z",
  "expires_at": "2026-11-29T12:10:00Z"
}
`})
}

// TestFaultShow_UnknownWordsShowAsTheyAre has a fault that only a newer daemon knows.
func TestFaultShow_UnknownWordsShowAsTheyAre(t *testing.T) {
	startFake(t, map[string][]fakeAnswer{"GET /v1/faults": once(http.StatusOK,
		`{"faults": [{"id": "n", "match": {"port": 80}, "dose": {}, "effect": {"burn": {"at": "1s"}}, "hits": 1}]}`)})
	run(t, "fault", "list").wants(t, ran{stdout: "ID  MATCH    DOSE  EFFECT      HITS\nn   port 80  -     burn at 1s  1\n"})
}

func TestFaultRemove_SaysWhatHasEnded(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"GET /v1/faults/f":    once(http.StatusOK, outage),
		"DELETE /v1/faults/f": once(http.StatusNoContent, ""),
		"GET /v1/faults":      once(http.StatusOK, fmt.Sprintf(`{"faults": [%s, %s]}`, outage, hanging)),
		"DELETE /v1/faults":   once(http.StatusNoContent, ""),
	})
	run(t, "fault", "remove", "f").wants(t, ran{stdout: "f removed, 2 hits\n"})
	d.wantCalls(t, "GET /v1/faults/f", "DELETE /v1/faults/f")
	run(t, "fault", "clear").wants(t, ran{stdout: "f removed, 2 hits\nf1 removed, 0 hits\n"})
	d.wantCalls(t, "GET /v1/faults", "DELETE /v1/faults")
}

func TestFault_UnknownIDExits1(t *testing.T) {
	d := startFake(t, nil)
	want := ran{code: exitFailure, stderr: "mock-ec2-metadata: there is no fault x; mock-ec2-metadata fault list shows all\n"}
	run(t, "fault", "show", "x").wants(t, want)
	run(t, "fault", "remove", "x").wants(t, want)
	d.wantCalls(t, "GET /v1/faults/x", "GET /v1/faults/x")
}

func TestFaultAdd_HelpShowsFlagsWithoutValuesAsSuch(t *testing.T) {
	isolate(t)
	got := run(t, "fault", "add", "--help")
	if strings.Contains(got.stdout, "[=true]") || !strings.Contains(got.stdout, "--hang  ") {
		t.Errorf("%+v", got)
	}
}
