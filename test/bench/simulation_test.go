package bench

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestSwapOf_FindsAnswersOfTwoTrees(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status, n  int
		err        string
	}{
		{name: "of an event", status: http.StatusOK, body: "a-12\nb-12", n: 12},
		{name: "of no event", status: http.StatusNotFound, body: "<html>"},
		{name: "of two events", status: http.StatusOK, body: "a-12\nb-13", err: `wrong answer: 200 "a-12\nb-13", which is of no tree`},
		{name: "half of one", status: http.StatusOK, body: "a-12", err: `wrong answer: 200 "a-12", which is of no tree`},
		{name: "empty", status: http.StatusOK, err: `wrong answer: 200 "", which is of no tree`},
		{name: "refused", status: http.StatusServiceUnavailable, body: "a-12\nb-12", err: `wrong answer: 503 "a-12\nb-12", which is of no tree`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := SwapOf(tt.status, []byte(tt.body))
			if got := errorText(err); n != tt.n || got != tt.err {
				t.Errorf("%d, %q; want %d, %q", n, got, tt.n, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSwapEvent_AndChangesAreJSON(t *testing.T) {
	id, body := SwapEvent(7)
	if id != "swap-7" || body != `{"set": {"meta-data/swap/a-7": "7", "meta-data/swap/b-7": "7"}}` {
		t.Errorf("%s: %s", id, body)
	}
	faults := 0
	for _, c := range Changes() {
		if !json.Valid([]byte(c.Body)) {
			t.Errorf("no JSON: %s", c.Body)
		}
		if c.Fault {
			faults++
		}
	}
	if all := len(Changes()); faults == 0 || faults == all {
		t.Errorf("%d of %d are faults", faults, all)
	}
}
