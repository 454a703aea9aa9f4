package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// object is a JSON object whose keys are compared without their case.
type object map[string]any

// objectOf returns a value as an object, or one that is written as a text; nil if it is none.
func objectOf(value any) object {
	if text, ok := value.(string); ok {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&value) != nil {
			return nil
		}
	}
	m, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	return m
}

// get returns the value of a key, in any case.
func (o object) get(key string) any {
	if value, ok := o[key]; ok {
		return value
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if strings.EqualFold(name, key) {
			return o[name]
		}
	}
	return nil
}

// text returns the value of a key as a text; "" if it is none.
func (o object) text(key string) string {
	text, _ := scalarText(o.get(key))
	return text
}

// scalarText returns a text, a number or a boolean as a text; false for anything else.
func scalarText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	default:
		return "", false
	}
}

// ec2JSON writes an object as EC2 does: two spaces, " : " after keys, no newline at the end. order names its first keys.
func ec2JSON(o object, order ...string) string {
	var names []string
	for _, want := range order {
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if strings.EqualFold(name, want) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var b strings.Builder
	b.WriteString("{")
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		shown := name
		if j := slices.IndexFunc(order, func(want string) bool { return strings.EqualFold(want, name) }); j >= 0 {
			shown = order[j]
		}
		fmt.Fprintf(&b, "\n  %s : %s", jsonText(shown), ec2Value(o[name]))
	}
	b.WriteString("\n}")
	return b.String()
}

// ec2Value writes a list of texts as EC2 does: [ "a", "b" ].
func ec2Value(value any) string {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return jsonText(value)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = jsonText(e)
	}
	return "[ " + strings.Join(parts, ", ") + " ]"
}

func jsonText(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// documentOrder are the keys of the identity document as EC2 writes them (imds-reference section 6.4).
func documentOrder() []string {
	return []string{
		"accountId", "architecture", "availabilityZone", "billingProducts", "devpayProductCodes", "marketplaceProductCodes", "imageId",
		"instanceId", "instanceType", "kernelId", "pendingTime", "privateIp", "ramdiskId", "region", "version",
	}
}

// infoOrder are the keys of iam/info.
func infoOrder() []string {
	return []string{"Code", "Message", "LastUpdated", "InstanceProfileArn", "InstanceProfileId"}
}

// identity takes over what the identity document has and the metadata leaves open. Where they contradict each other, metadata counts,
// unless the document is served as it is.
func (in *Instance) identity(doc object, asItIs bool) {
	for _, t := range []struct{ field, key string }{
		{"accountId", "aws.account_id"},
		{"architecture", "ec2.architecture"},
		{"imageId", "ec2.image_id"},
		{"instanceId", "ec2.instance_id"},
		{"instanceType", "ec2.instance_type"},
		{"pendingTime", "ec2.pending_time"},
		{"availabilityZone", "aws.availability_zone"},
		{"privateIp", "ec2.local_ipv4"},
	} {
		value, have := doc.text(t.field), in.text(t.key)
		switch {
		case value == "" || value == have, asItIs && have != "":
		case t.key == "ec2.local_ipv4" && in.has("ec2.local_ipv4s"):
		case have != "":
			in.note(Guessed, t.field, "%s in the identity document and %s in the metadata, which counts", value, have)
		case !in.fit(t.key, value) && !asItIs:
			in.note(Lost, t.field, "%s takes no %s", t.key, strconv.Quote(value))
		}
	}
	if !in.has("aws.availability_zone") && !in.has("aws.region") {
		in.fit("aws.region", doc.text("region"))
	}
	if codes, ok := doc.get("marketplaceProductCodes").([]any); ok && !in.has("ec2.product_codes") {
		var texts []string
		for _, code := range codes {
			if text, ok := scalarText(code); ok {
				texts = append(texts, text)
			}
		}
		in.fitList("ec2.product_codes", texts)
	}
}

// profile takes over the role of an instance profile. info is iam/info, role the name that the service lists; each may be missing.
func (in *Instance) profile(info object, role string) {
	arn := strings.Split(info.text("InstanceProfileArn"), ":") // arn:aws:iam::ACCOUNT:instance-profile/NAME
	name, partition, account := "", "aws", ""
	if len(arn) == 6 && strings.HasPrefix(arn[5], "instance-profile/") {
		name, partition, account = arn[5][strings.LastIndexByte(arn[5], '/')+1:], arn[1], arn[4]
	}
	guess := "the role's path is not in the input"
	switch {
	case role == "" && name == "":
		return
	case role == "":
		role, guess = name, "the input has the name of the instance profile alone"
	}
	if account == "" {
		if account = in.text("aws.account_id"); account == "" {
			account, guess = "123456789012", "the input has no account"
		}
		partition = config.Partition(in.text("aws.availability_zone") + in.text("aws.region"))
	}
	text := "arn:" + partition + ":iam::" + account + ":role/" + role
	if !config.Fits("credentials.iam_role", text) {
		in.note(Lost, "iam/security-credentials", "%s is no name of a role", strconv.Quote(role))
		return
	}
	in.Role, in.RoleARN, in.RoleGuess = role, text, guess
}

// userData takes user data over, as text if the configuration takes it, or leaves it out and says how much it is.
func (in *Instance) userData(data []byte, take bool) {
	switch {
	case len(data) == 0:
	case !take:
		in.note(Lost, userDataLeaf, "user data, %d bytes; --user-data takes it over", len(data))
	default:
		in.setUserData(data)
	}
}

// simulated takes out of the leaves what events of EC2 make, and what these would be here.
func (in *Instance) simulated(l leaves) {
	if action := objectOf(l["meta-data/spot/instance-action"]); action != nil {
		in.note(Hint, "spot/instance-action", "%s at %s is announced; to simulate one: mock-ec2-metadata event spot %s", action.text("action"), action.text("time"), action.text("action"))
	}
	if l["meta-data/events/recommendations/rebalance"] != "" {
		in.note(Hint, "events/recommendations/rebalance", "a signal was sent; to simulate one: mock-ec2-metadata event rebalance")
	}
	if state := l["meta-data/autoscaling/target-lifecycle-state"]; state != "" {
		in.note(Hint, "autoscaling/target-lifecycle-state", "it is %s; to simulate it: mock-ec2-metadata event asg %s", state, state)
	}
	maps.DeleteFunc(l, func(path, _ string) bool {
		return strings.HasPrefix(path, "meta-data/spot/") || strings.HasPrefix(path, "meta-data/events/recommendations/") ||
			strings.HasPrefix(path, "meta-data/autoscaling/")
	})
	past := strings.TrimSpace(l[historyLeaf]) // a maintenance event owns it, too
	if (past == "" || past == "[]") && in.scheduled(l[scheduledLeaf]) {
		delete(l, scheduledLeaf)
		delete(l, historyLeaf)
	}
}

// maintenanceTime is how EC2 writes the times of scheduled events.
const maintenanceTime = "2 Jan 2006 15:04:05 GMT"

// scheduled makes events of those that a service has scheduled. It returns false if that is not possible, or if there are none.
func (in *Instance) scheduled(text string) bool {
	var list []object
	if json.Unmarshal([]byte(text), &list) != nil || len(list) == 0 {
		return false
	}
	starts, ends := make([]time.Time, len(list)), make([]time.Time, len(list))
	for i, o := range list {
		var err error
		starts[i], err = time.Parse(maintenanceTime, o.text("NotBefore"))
		if err != nil || !config.Fits("events.maintenance", o.text("Code")) || !strings.EqualFold(o.text("State"), "active") {
			return false
		}
		if text := o.text("NotAfter"); text != "" {
			if ends[i], err = time.Parse(maintenanceTime, text); err != nil || !ends[i].After(starts[i]) {
				return false
			}
		}
		for field, key := range map[string]string{"Description": "events.description", "EventId": "events.event_id"} {
			if text := o.text(field); text != "" && !config.Fits(key, text) {
				return false
			}
		}
	}
	for i, o := range list {
		at := in.newEvent()
		in.set(at+".maintenance", o.text("Code"))
		in.set(at+".not_before", starts[i].Format(time.RFC3339))
		if !ends[i].IsZero() {
			in.set(at+".not_after", ends[i].Format(time.RFC3339))
		}
		in.set(at+".description", o.text("Description"))
		in.set(at+".event_id", o.text("EventId"))
	}
	return true
}

// newEvent returns the path of a further event, such as events.[1].
func (in *Instance) newEvent() string {
	next := 0
	for _, k := range in.Keys {
		if len(k.Path) < 2 || k.Path[0] != "events" {
			continue
		}
		if i, err := strconv.Atoi(strings.Trim(k.Path[1], "[]")); err == nil {
			next = max(next, i+1)
		}
	}
	return "events.[" + strconv.Itoa(next) + "]"
}
