package bench

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// SwapListing is the directory that the events of SwapEvent make. Without one it does not exist.
const SwapListing = "/latest/meta-data/swap/"

// SwapEvent returns the id and the body of event n, counted from 1, which sets two values that belong together.
func SwapEvent(n int) (id, body string) {
	return fmt.Sprintf("swap-%d", n), fmt.Sprintf(`{"set": {"meta-data/swap/a-%d": "%d", "meta-data/swap/b-%d": "%d"}}`, n, n, n, n)
}

// SwapOf returns whose event's tree an answer to SwapListing is of; 0: of one without an event. The error says that it is of no tree.
func SwapOf(status int, body []byte) (n int, err error) {
	if status == http.StatusNotFound {
		return 0, nil
	}
	digits, isSwap := strings.CutPrefix(strings.SplitN(string(body), "\n", 2)[0], "a-")
	n, err = strconv.Atoi(digits)
	if status != http.StatusOK || !isSwap || err != nil || string(body) != fmt.Sprintf("a-%d\nb-%d", n, n) {
		return 0, fmt.Errorf("wrong answer: %d %.100q, which is of no tree", status, body)
	}
	return n, nil
}

// Change is an event or a fault of Changes.
type Change struct {
	Fault bool
	Body  string
}

// Changes returns one event or fault of each kind. Those that follow each other can be active at the same time.
func Changes() []Change {
	bodies := []string{
		`{"spot": "terminate", "notice": "2m"}`,
		`{"rebalance": true, "in": "1h"}`,
		`{"maintenance": "system-reboot"}`,
		`{"asg": "Standby"}`,
		`{"profile": "detach"}`,
		`{"tags": {"set": {"Name": "bench"}}}`,
		`{"credentials": "rotate"}`,
		`{"options": {"http_put_response_hop_limit": 2}, "clients": ["127.0.0.0/8"]}`,
		`{"network": "attach", "interface": {"mac": "0a:00:00:00:00:77", "device_number": 7}, "lag": "10s"}`,
		`{"public_ip": "198.51.100.7"}`,
		`{"restart": true, "user_data": "changed"}`,
		`{"set": {"meta-data/bench": "1"}, "after_requests": {"count": 3}}`,
		`{"unset": ["meta-data/hostname"], "first_clients": 2}`,
	}
	all := make([]Change, 0, 2*len(bodies))
	faults := []string{
		`{"match": {"paths": ["meta-data/mac"]}, "dose": {"count": 2, "for": "1h"}, "status": 503}`,
		`{"match": {"paths": ["meta-data/none"]}, "hang": true}`,
		`{"match": {"paths": ["meta-data/mac"]}, "throttle": {"rate": 5, "burst": 5, "answer": 503}}`,
		`{"match": {"paths": ["dynamic/**"]}, "delay": "1ms"}`,
	}
	for i, body := range bodies {
		all = append(all, Change{Body: body}, Change{Fault: true, Body: faults[i%len(faults)]})
	}
	return all
}
