package config

import (
	"strconv"
	"strings"
	"time"
)

// lifecycleStates are the target states of Auto Scaling that instance metadata has shown, and the word for none.
const lifecycleStates = "InService, Terminated, Detached, Standby, Warmed:Running, Warmed:Stopped, Warmed:Hibernated, Warmed:Terminated, gone"

var simulationIDs = matches(`[A-Za-z0-9._-]{1,64}`, "an id; it has 1 to 64 of letters, digits and ._-")

// simulationID is the rule for ids of events and faults, which are segments of URLs.
func simulationID(value string) string {
	if value == "." || value == ".." {
		return quote(value) + " is not an id; URLs cannot hold it"
	}
	return simulationIDs(value)
}

// isTime reports whether a value is a time of RFC 3339, in any time zone.
func isTime(value string) bool {
	t, err := time.Parse(time.RFC3339, value)
	return err == nil && t.Year() > 0
}

// trueOrDuration is the rule for rebalance, whose meanings Event.check tells apart.
func trueOrDuration(value string) string {
	if value == "true" {
		return ""
	}
	d, wrong := parseDuration(value)
	if wrong != "" {
		return wrong + "; without spot it is true"
	}
	return outsideDuration(d, "0s to 8784h")
}

// addressOrPrefix is the rule for what an interface can gain and lose.
func addressOrPrefix(value string) string {
	if _, wrong := parseNetwork(value); wrong != "" {
		return strings.ReplaceAll(wrong, "write e.g. 192.168.56.11 or 172.20.0.0/16", "write e.g. 10.0.0.20, or 10.0.1.0/28 for a prefix")
	}
	return instanceAddress(value)
}

// eventPath is the rule for paths that an event sets or removes.
func eventPath(path string, removed bool) string {
	if holdsCredentials(strings.Split(path, "/"), removed) {
		return "the role's credentials are not for this event to change; make one of kind profile or credentials"
	}
	return metadataPath(path, removed)
}

// eventClient is the rule for clients that see an event.
func eventClient(value string) string {
	if _, ok := clientEntry(value); ok {
		return ""
	}
	if _, wrong := parseNetwork(value); wrong == "" || !strings.Contains(wrong, "write e.g. ") {
		return wrong
	}
	return quote(value) + " is none of address, CIDR block and entry of clients; write e.g. 192.168.56.11, 172.20.0.0/16 or clients[0]"
}

// clientEntry returns N of clients[N].
func clientEntry(value string) (n int, ok bool) {
	number, ok := strings.CutPrefix(value, "clients[")
	number, closed := strings.CutSuffix(number, "]")
	n, err := strconv.Atoi(number)
	return n, ok && closed && err == nil && n >= 0 && strconv.Itoa(n) == number
}

// outsideDuration returns what is wrong with a duration that must be from "1ms to 10s". The range "" allows all.
func outsideDuration(d time.Duration, from string) string {
	least, most, _ := strings.Cut(from, " to ")
	low, err := time.ParseDuration(least)
	high, err2 := time.ParseDuration(most)
	if err != nil || err2 != nil || d >= low && d <= high {
		return ""
	}
	return shortDuration(d) + " is not from " + from
}
