package importer

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
)

// moment is when AEMM begins to show an event: at a time, or so many seconds after its start.
type moment struct {
	at    time.Time // zero: after
	after int64     // seconds
}

// moment reads the two settings of one, of which the time counts.
func (m *aemm) moment(timeKey, delayKey string) (moment, error) {
	if m.set(timeKey) {
		at, err := m.time(timeKey)
		return moment{at: at}, err
	}
	if !m.set(delayKey) {
		return moment{}, nil
	}
	seconds, err := strconv.ParseInt(m.text(delayKey), 10, 64)
	if err != nil {
		return moment{}, m.fail(delayKey, "%s is no number of seconds", strconv.Quote(m.text(delayKey)))
	}
	const most = 8784 * 3600 // as events here
	if seconds > most {
		return moment{}, m.fail(delayKey, "%d seconds; an event here begins after at most %d", seconds, most)
	}
	return moment{after: max(seconds, 0)}, nil
}

func (m *aemm) time(key string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, m.text(key))
	if err != nil {
		return at, m.fail(key, "%s is no time; write e.g. 2026-12-01T02:00:00Z", strconv.Quote(m.text(key)))
	}
	return at, nil
}

// since is how long this moment is after another one; false if one is a time and the other a delay.
func (a moment) since(b moment) (time.Duration, bool) {
	if a.at.IsZero() != b.at.IsZero() {
		return 0, false
	}
	if a.at.IsZero() {
		return time.Duration(a.after-b.after) * time.Second, true
	}
	return a.at.Sub(b.at), true
}

// aemmSeconds writes whole seconds as a duration.
func aemmSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) + "s" }

// begin adds when an event begins and which clients see it.
func (m *aemm) begin(at string, from moment, clients int64) {
	switch {
	case !from.at.IsZero():
		m.in.set(at+".at", from.at.Format(time.RFC3339))
	case from.after > 0:
		m.in.set(at+".in", aemmSeconds(time.Duration(from.after)*time.Second))
	}
	if clients > 0 {
		m.in.setInt(at+".first_clients", int(clients))
	}
	for i := range m.in.Keys {
		if strings.HasPrefix(strings.Join(m.in.Keys[i].Path, "."), at+".") {
			m.in.Keys[i].Keep = true
		}
	}
}

// clients is how many clients see events: AEMM's default is 2. It is negative for all.
func (m *aemm) clients() (int64, error) {
	const key = "mock-ip-count"
	if !m.set(key) {
		return 2, nil
	}
	n, err := strconv.ParseInt(m.text(key), 10, 64)
	if err != nil {
		return 0, m.fail(key, "%s is no number of clients", strconv.Quote(m.text(key)))
	}
	if !config.Fits("events.first_clients", m.text(key)) && n > 0 {
		return -1, nil // more than can be told apart
	}
	return n, nil
}

// simulate makes the events.
func (m *aemm) simulate() error {
	clients, err := m.clients()
	if err != nil {
		return err
	}
	notice, err := m.moment("mock-trigger-time", "mock-delay-sec")
	if err != nil {
		return err
	}
	if clients == 0 {
		m.in.note(Skipped, "mock-ip-count", "0: no client sees an event, so there is none")
		return nil
	}
	if err := m.interruption(notice, clients); err != nil {
		return err
	}
	if m.maintenance {
		if err := m.maintain(notice, clients); err != nil {
			return err
		}
	}
	if m.asg {
		return m.autoscaling(clients)
	}
	return nil
}

// interruption makes the spot event and the rebalance signal.
func (m *aemm) interruption(notice moment, clients int64) error {
	signal, err := m.moment("rebalance-trigger-time", "rebalance-delay-sec")
	if err != nil {
		return err
	}
	signals := m.set("rebalance-trigger-time") || m.set("rebalance-delay-sec") || m.set("spot.rebalance-rec-time")
	if m.spot {
		joined, err := m.spotNotice(notice, signal, signals && !m.set("spot.rebalance-rec-time"), clients)
		if err != nil || joined {
			return err
		}
		if !signals {
			m.in.note(Hint, "spot", "amazon-ec2-metadata-mock also recommends a rebalance from its start on; to have that: an event {rebalance: true}")
		}
	}
	switch {
	case !signals || !m.spot && (m.maintenance || m.asg) && !m.set("rebalance-trigger-time") && m.text("rebalance-delay-sec") == "0":
		return nil
	case m.set("spot.rebalance-rec-time"):
		if _, err := m.time("spot.rebalance-rec-time"); err != nil {
			return err
		}
		at := m.in.newEvent()
		m.in.setAt(`{"noticeTime": "`+m.text("spot.rebalance-rec-time")+`"}`, append(strings.Split(at, "."), "set", "meta-data/events/recommendations/rebalance")...)
		m.begin(at, signal, clients)
	default:
		at := m.in.newEvent()
		m.in.setNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}, append(strings.Split(at, "."), "rebalance")...)
		m.begin(at, signal, clients)
	}
	return nil
}

// spotNotice makes the spot event. joined reports whether it has the rebalance signal, too.
func (m *aemm) spotNotice(notice, signal moment, signals bool, clients int64) (joined bool, err error) {
	action := m.text("spot.action")
	if action == "" {
		action = "terminate"
	}
	if !config.Fits("events.spot", action) {
		return false, m.fail("spot.action", "%s is none of terminate, stop, hibernate; amazon-ec2-metadata-mock refuses it, too", strconv.Quote(action))
	}
	at := m.in.newEvent()
	var lead time.Duration
	usual := map[string]time.Duration{"hibernate": 0, "stop": 2 * time.Minute, "terminate": 2 * time.Minute}[action]
	if lead = usual; !m.set("spot.time") {
		m.in.note(Hint, "spot.time", "amazon-ec2-metadata-mock moves the time with each request; here it is fixed, as on EC2")
	} else {
		end, err := m.time("spot.time")
		if err != nil {
			return false, err
		}
		lead = end.Sub(notice.at)
		if notice.at.IsZero() || lead <= 0 || lead > 8784*time.Hour {
			m.spotLeaves(at, action, m.text("spot.time"))
			m.begin(at, notice, clients)
			return false, nil
		}
	}
	m.in.set(at+".spot", action)
	if lead != usual {
		m.in.set(at+".notice", aemmSeconds(lead))
	}
	if ahead, ok := notice.since(signal); signals && ok && ahead > 0 {
		m.in.set(at+".rebalance", aemmSeconds(ahead))
		m.begin(at, signal, clients)
		return true, nil
	}
	m.begin(at, notice, clients)
	return false, nil
}

// spotLeaves shows a time that no notice could have.
func (m *aemm) spotLeaves(at, action, end string) {
	parts := append(strings.Split(at, "."), "set")
	m.in.setAt(`{"action": "`+action+`", "time": "`+end+`"}`, append(parts, "meta-data/spot/instance-action")...)
	if action == "terminate" {
		m.in.setAt(end, append(slices.Clip(parts), "meta-data/spot/termination-time")...)
	}
}

// maintain makes the maintenance event, or the history of one that is over.
func (m *aemm) maintain(begin moment, clients int64) error {
	code, state := m.text("events.code"), m.text("events.state")
	if code == "" {
		code = "system-reboot"
	}
	if !config.Fits("events.maintenance", code) {
		return m.fail("events.code", "%s is no code of a maintenance event; amazon-ec2-metadata-mock refuses it, too", strconv.Quote(code))
	}
	times := map[string]time.Time{}
	for _, name := range []string{"not-before", "not-after", "not-before-deadline"} {
		if key := "events." + name; m.set(key) {
			at, err := m.time(key)
			if err != nil {
				return err
			}
			times[name] = at
		}
	}
	if m.set("events.not-before-deadline") {
		m.in.note(Lost, "events.not-before-deadline", "EC2 has no such field in metadata")
	}
	at := m.in.newEvent()
	switch state {
	case "completed", "canceled":
		m.in.setAt(m.history(code, state, times), append(strings.Split(at, "."), "set", historyLeaf)...)
		m.begin(at, begin, clients)
		return nil
	case "", "active":
	default:
		return m.fail("events.state", "%s is none of active, completed, canceled; amazon-ec2-metadata-mock refuses it, too", strconv.Quote(state))
	}
	m.in.set(at+".maintenance", code)
	before, hasBefore := times["not-before"]
	if hasBefore {
		m.in.set(at+".not_before", m.text("events.not-before"))
	} else {
		m.in.note(Hint, "events.not-before", "amazon-ec2-metadata-mock has its start; here it is 7 days after the event begins")
	}
	switch after, ok := times["not-after"]; {
	case ok && (!hasBefore || !after.After(before)):
		m.in.note(Lost, "events.not-after", "it is not after a time in events.not-before")
	case ok:
		m.in.set(at+".not_after", m.text("events.not-after"))
	}
	m.in.fit(at+".event_id", m.eventID())
	m.begin(at, begin, clients)
	return nil
}

// eventID is the id of the maintenance event, if events here take it.
func (m *aemm) eventID() string {
	id := m.text("metadata.values.event-id")
	if config.Fits("events.event_id", id) {
		return id
	}
	return ""
}

// history is the leaf of a maintenance event that is over (events-reference section 1.3).
func (m *aemm) history(code, state string, times map[string]time.Time) string {
	fields := object{"Code": code, "State": state, "Description": "[" + strings.ToUpper(state[:1]) + state[1:] + "] The instance is scheduled for " + code}
	for name, field := range map[string]string{"not-before": "NotBefore", "not-after": "NotAfter"} {
		if at, ok := times[name]; ok {
			fields[field] = at.UTC().Format("02 Jan 2006 15:04:05 GMT")
		}
	}
	if id := m.text("metadata.values.event-id"); id != "" {
		fields["EventId"] = id
	}
	return "[ " + ec2JSON(fields, "NotBefore", "Code", "Description", "EventId", "NotAfter", "State") + " ]"
}

// autoscaling makes the two states of AEMM: InService, and Terminated after a delay.
func (m *aemm) autoscaling(clients int64) error {
	const timeKey = "asg-termination-trigger-time"
	if m.set(timeKey) {
		if _, err := time.Parse(time.RFC3339, m.text(timeKey)); err != nil {
			m.in.note(Hint, timeKey, "%s is no time; amazon-ec2-metadata-mock reads it as one that is past", strconv.Quote(m.text(timeKey)))
			m.values[timeKey], m.values["asg-termination-delay-sec"] = "", "0"
		}
	}
	end, err := m.moment(timeKey, "asg-termination-delay-sec")
	if err != nil {
		return err
	}
	if end != (moment{}) {
		at := m.in.newEvent()
		m.in.set(at+".asg", "InService")
		m.begin(at, moment{}, clients)
	}
	at := m.in.newEvent()
	m.in.set(at+".asg", "Terminated")
	m.begin(at, end, clients)
	return nil
}
