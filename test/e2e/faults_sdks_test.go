//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// outcome is how one fetch of credentials must end.
type outcome struct {
	result   string // ok, none (the SDK's chain goes on without a word), error, or pending (for ever)
	text     string // part of the error
	min, max float64
	left     [2]float64 // bounds of the minutes until the SDK takes the credentials for expired; not compared if both are 0
	stops    bool       // the chain of providers does not go on
	madeUp   bool       // the key is not the real one
}

var (
	ok   = outcome{result: "ok", max: 2}
	none = outcome{result: "none", max: 2}
)

func failed(text string) outcome { return outcome{result: "error", text: text, max: 2} }

// within sets how many seconds the fetch may take. Bounds are wide: the machine has other work.
func (o outcome) within(min, max float64) outcome {
	o.min, o.max = min, max
	return o
}

// until sets the minutes that the credentials must have left, in the SDK's view.
func (o outcome) until(min, max float64) outcome {
	o.left = [2]float64{min, max}
	return o
}

func (o outcome) stopping() outcome {
	o.stops = true
	return o
}

func (o outcome) withMadeUpKey() outcome {
	o.madeUp = true
	return o
}

// sdkRun is one run of an SDK's program under faults: two fetches, if not told otherwise.
type sdkRun struct {
	args  []string // of its program
	tries []outcome
	puts  int    // token requests in all, retries too; -1: not counted
	imds  string // v1 or v2 if all of its other requests must be by that
}

func tries(all ...outcome) sdkRun { return sdkRun{tries: all, puts: -1} }

func (r sdkRun) with(args ...string) sdkRun {
	r.args = args
	return r
}

func (r sdkRun) withPuts(n int) sdkRun {
	r.puts = n
	return r
}

// by sets the version of the protocol.
func (r sdkRun) by(imds string) sdkRun {
	r.imds = imds
	return r
}

// faultRow is what the SDKs do under faults. A run without tries is left out.
type faultRow struct {
	name     string
	faults   []string
	v2       bool // the service requires session tokens
	goV2, js sdkRun
	botocore sdkRun
}

// of is the run of an SDK.
func (r faultRow) of(sdk string) sdkRun {
	return map[string]sdkRun{"aws-sdk-go v2": r.goV2, "aws-sdk-js v3": r.js, "botocore": r.botocore}[sdk]
}

// faultPrograms build or install the program of each SDK and return its command.
var faultPrograms = map[string]func(t *testing.T) []string{
	"aws-sdk-go v2": func(t *testing.T) []string { return buildClient(t, "go-v2-faults") },
	"aws-sdk-js v3": func(t *testing.T) []string {
		command := installJavaScript(t, "js")
		return []string{command[0], filepath.Join(filepath.Dir(command[1]), "faults.js")}
	},
	"botocore": func(t *testing.T) []string {
		needClients(t)
		program, err := filepath.Abs("testdata/botofaults.py")
		if err != nil {
			t.Fatal(err)
		}
		return []string{python, program}
	},
}

// TestFaults_SDKsDoWhatTheTableSays runs the programs of three SDKs under each fault, with their defaults and IMDSv1 allowed. What
// they do is part of docs/faults.md.
func TestFaults_SDKsDoWhatTheTableSays(t *testing.T) {
	for sdk, prepare := range faultPrograms {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting
			command := prepare(t)
			optional, required := startLocal(t, mockHome(t, ""), ""), startLocal(t, mockHome(t, "ec2:\n"+requireTokens), "")
			for _, row := range faultRows(len(roleDocument(t, optional))) {
				if len(row.of(sdk).tries) == 0 {
					continue
				}
				t.Run(row.name, func(t *testing.T) {
					d := optional
					if row.v2 {
						d = required
					}
					row.run(t, d, sdk, command)
				})
			}
		})
	}
}

// roleDocument is the document of the role's credentials.
func roleDocument(t *testing.T, d *local) string {
	t.Helper()
	return fetchWithToken(t, d.url, "latest/meta-data/iam/security-credentials/myrole")
}

func (r faultRow) run(t *testing.T, d *local, sdk string, command []string) {
	t.Helper()
	s, want := simulate(t, d), r.of(sdk)
	s.faults(t)
	var issued struct{ AccessKeyID string }
	decode(t, roleDocument(t, d), &issued)
	before := s.last(t)
	s.faults(t, r.faults...)
	out, err := client(t, clean(t, d.url), command[0], append(command[1:len(command):len(command)], want.args...)...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.faults {
		var f api.Fault
		if decode(t, s.call(t, http.MethodGet, fmt.Sprintf("/v1/faults/f%d", i), "", http.StatusOK), &f); f.Hits == 0 {
			t.Errorf("the fault %s hit no request", r.faults[i])
		}
	}
	s.faults(t)
	var got []tried
	decode(t, out, &got)
	if len(got) != len(want.tries) {
		t.Fatalf("%d tries, want %d: %s", len(got), len(want.tries), out)
	}
	for i, try := range got {
		if problem := try.differsFrom(want.tries[i], issued.AccessKeyID); problem != "" {
			t.Errorf("try %d: %s; it is %+v", i+1, problem, try)
		}
	}
	puts := 0
	defer func() { t.Logf("%d token requests; %s", puts, strings.TrimSpace(out)) }()
	testutil.EventuallyWithin(t, 5*time.Second, fmt.Sprintf("%d token requests", want.puts), func() bool {
		puts = 0 // unanswered ones are recorded when the program's end has been noticed
		for _, request := range s.requests(t, before, "") {
			switch {
			case request.Method == http.MethodPut:
				puts++
			case want.imds != "" && request.IMDS != want.imds:
				t.Fatalf("a request for %s is by IMDS%s", request.Path, request.IMDS)
			}
		}
		return want.puts < 0 || puts == want.puts
	})
}

// tried is what the programs print of a fetch.
type tried struct {
	Result, Error, Key string
	Seconds            float64
	Left               float64 // minutes
	Next               *bool   // whether the chain goes on; only JavaScript's says so
}

// differsFrom says what is not as wanted; "" if all is. key is the real access key ID.
func (t tried) differsFrom(want outcome, key string) string {
	switch {
	case t.Result != want.result:
		return "it ended otherwise, want " + want.result
	case !strings.Contains(t.Error, want.text):
		return fmt.Sprintf("its error has no %q", want.text)
	case t.Seconds < want.min || t.Seconds > want.max:
		return fmt.Sprintf("it took another time, want %v to %v s", want.min, want.max)
	case want.result == "ok" && (t.Key == key) == want.madeUp:
		return "the real key is " + key
	case want.left != [2]float64{} && (t.Left < want.left[0] || t.Left > want.left[1]):
		return fmt.Sprintf("the credentials are kept for another time, want %v minutes", want.left)
	case t.Next != nil && *t.Next == want.stops:
		return "whether the chain goes on is not as wanted"
	}
	return ""
}

// dripping is a fault whose answer takes that long to arrive in full.
func dripping(length int, whole time.Duration) string {
	return `{"match":{"paths":["` + roleCredentials + `"]},"drip":"` + (whole / time.Duration(length)).String() + `"}`
}

// roleCredentials matches the document of the role's credentials, and no listing.
const roleCredentials = "meta-data/iam/security-credentials/myrole"

// onCredentials is a fault of that document. effect and more are members of a JSON object.
func onCredentials(effect string, more ...string) string {
	return onPath(roleCredentials, "GET", append([]string{effect}, more...)...)
}

// onToken is a fault of the token request.
func onToken(effect string, more ...string) string {
	return onPath("api/token", "PUT", append([]string{effect}, more...)...)
}

func onPath(path, method string, members ...string) string {
	match, err := json.Marshal(map[string][]string{"paths": {path}, "methods": {method}})
	if err != nil {
		panic(err)
	}
	return `{"match":` + string(match) + `,` + strings.Join(members, ",") + `}`
}

// once is the dose of a single hit.
const once = `"dose":{"count":1}`
