package importer

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// aemmMAC, aemmRole and aemmPublic are the values of amazon-ec2-metadata-mock that are in its default paths: another value
// moves the paths with it.
const (
	aemmMAC         = "0e:49:61:0f:c3:11"
	aemmRole        = "baskinc-role"
	aemmPublic      = "192.0.2.54"
	aemmAccelerator = "eia-bfa21c7904f64a82a21b9f4540169ce1"
	aemmPort        = "1338"
	noMAC           = "device-0" // in paths, where the input has no hardware address
)

// aemm is a configuration of amazon-ec2-metadata-mock.
type aemm struct {
	in *Instance
	// values are the settings by dotted key in lower case. Documents, such as metadata.values.iam-info, are whole.
	values map[string]any
	// names are those of the inputs, by key.
	names map[string]string
	// spot, maintenance and asg are the events that it mocks.
	spot, maintenance, asg bool
}

// isAEMMKey reports whether a top-level key is one of AEMM's, or of the values of its Helm chart.
func isAEMMKey(key string) bool {
	key = strings.ToLower(key)
	switch key {
	case "metadata", "dynamic", "userdata", "spot", "events", "server", "imdsv2", "aemm":
		return true
	}
	return strings.HasPrefix(key, "mock-") || strings.HasPrefix(key, "rebalance-") || strings.HasPrefix(key, "asg-termination-")
}

// wholeAEMM are the keys whose values are documents.
func wholeAEMM(key string) bool {
	switch key {
	case "metadata.values.iam-info", "metadata.values.iam-security-credentials", "metadata.values.elastic-inference-accelerator",
		"dynamic.values.instance-identity-document":
		return true
	}
	return false
}

// readAEMM reads files of AEMM alone, or with opt.Args the line that starts it, and then the environment and the file, too.
func readAEMM(r *reading) error {
	m := &aemm{in: &Instance{}, values: map[string]any{}, names: map[string]string{}}
	for _, d := range r.docs {
		if err := m.file(d); err != nil {
			return err
		}
	}
	if r.opt.Args != nil {
		if err := m.line(r.opt.Args, r.opt.Environ); err != nil {
			return err
		}
	} else {
		m.byKeys()
	}
	for _, step := range []func() error{m.metadata, m.userdata, m.server, m.simulate} {
		if err := step(); err != nil {
			return err
		}
	}
	m.in.ID = m.in.text("ec2.instance_id")
	for i := range m.in.Notes {
		m.in.Notes[i].Subject = m.in.ID
	}
	r.Instances = append(r.Instances, m.in)
	r.NotNeeded += m.notNeeded()
	return nil
}

// file adds the settings of a file. Two files must not say different things.
func (m *aemm) file(d *document) error {
	value, err := d.value()
	if err != nil {
		return err
	}
	top, ok := value.(map[string]any)
	if !ok {
		return d.fail("a list; a configuration of amazon-ec2-metadata-mock has keys")
	}
	if below, ok := object(top).get("aemm").(map[string]any); ok {
		return m.helm(d, top, below)
	}
	return m.add(d, "", top)
}

// add flattens a block of settings.
func (m *aemm) add(d *document, prefix string, block map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(block)) {
		key := prefix + strings.ToLower(name)
		switch value := block[name].(type) {
		case nil:
		case map[string]any:
			if !wholeAEMM(key) {
				if err := m.add(d, key+".", value); err != nil {
					return err
				}
				continue
			}
			if err := m.put(d, key, value); err != nil {
				return err
			}
		case []any:
			if strings.HasPrefix(key, "metadata.") || strings.HasPrefix(key, "spot.") || strings.HasPrefix(key, "events.") {
				return d.fail("%s: a list, and amazon-ec2-metadata-mock wants a text", key)
			}
		default:
			if isAEMMBlock(key) {
				return d.fail("%s: a single value, and amazon-ec2-metadata-mock wants a block of settings", key)
			}
			if err := m.put(d, key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAEMMBlock reports whether a key has settings below it.
func isAEMMBlock(key string) bool {
	switch key {
	case "metadata", "metadata.values", "metadata.paths", "dynamic", "dynamic.values", "dynamic.paths", "userdata", "userdata.values", "userdata.paths",
		"spot", "events", "server":
		return true
	}
	return false
}

func (m *aemm) put(d *document, key string, value any) error {
	if old, ok := m.values[key]; ok && fmt.Sprint(old) != fmt.Sprint(value) {
		return d.fail("%s: another value than in %s; import them one by one", key, m.names[key])
	}
	m.values[key], m.names[key] = value, d.name
	return nil
}

// text returns a setting as a text; "" if it is not set.
func (m *aemm) text(key string) string {
	text, _ := scalarText(m.values[key])
	return text
}

// set reports whether a setting has a value other than "".
func (m *aemm) set(key string) bool { return m.text(key) != "" }

// fail makes an error about a setting.
func (m *aemm) fail(key, format string, args ...any) error {
	err := fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...))
	if name := m.names[key]; name != "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// byKeys decides by the keys of a file which events it is for. AEMM itself mocks all without a subcommand.
func (m *aemm) byKeys() {
	any := func(prefix string) bool {
		for key := range m.values {
			if strings.HasPrefix(key, prefix) && m.set(key) {
				return true
			}
		}
		return false
	}
	m.spot, m.maintenance = any("spot.action") || any("spot.time"), any("events.")
	m.asg = any("asg-termination-") || any("asglifecycle.")
	if !m.spot && !m.maintenance && !m.asg && !any("rebalance-") && !any("spot.") {
		m.in.note(Hint, "events", "the file names neither spot nor events, so there are none; amazon-ec2-metadata-mock itself mocks all without a subcommand: --aemm -- -c FILE")
	}
}

// metadata takes metadata.values and dynamic.values over.
func (m *aemm) metadata() error {
	l, settings := leaves{}, map[string]string{}
	mac := m.mac()
	for _, key := range slices.Sorted(maps.Keys(m.values)) {
		name, ok := strings.CutPrefix(key, "metadata.values.")
		if !ok {
			continue
		}
		value, isText := scalarText(m.values[key])
		switch name {
		case "event-id", "iam-security-credentials-role", "iam-info":
			continue
		case "iam-security-credentials":
			m.in.note(Lost, key, "credentials are never taken over; made-up ones take their place")
			continue
		}
		path, known := m.path(name, mac)
		if !known {
			continue // AEMM serves nothing for it
		}
		if path == "" {
			m.in.note(Lost, key, "there is no value for its path; set metadata.paths.%s", name)
			continue
		}
		if !isText {
			o := objectOf(m.values[key])
			if o == nil || name != "elastic-inference-accelerator" {
				return m.fail(key, "an object, and amazon-ec2-metadata-mock wants a text")
			}
			value = jsonText(map[string]any(o))
		}
		l[path], settings[path] = value, key
	}
	if value := m.text("dynamic.values.fws-instance-monitoring"); value != "" {
		l[m.pathOf("dynamic.paths.fws-instance-monitoring", "dynamic/fws/instance-monitoring")] = value
	}
	for _, fixed := range []struct{ key, path string }{{"dynamic.paths.instance-identity-document", documentLeaf}, {"userdata.paths.userdata", userDataLeaf}} {
		if m.pathOf(fixed.key, fixed.path) != fixed.path {
			m.in.note(Lost, fixed.key, "here it is always at %s", fixed.path)
		}
	}
	if required, err := strconv.ParseBool(m.text("imdsv2")); err == nil && required {
		m.in.set("ec2.metadata_options.http_tokens", "required")
	}
	device := maps.Clone(l)
	if mac == "" {
		delete(device, macsDir+noMAC+"/device-number") // it is device 0 all the same
	}
	m.in.typed(device, nil)
	if key := keysDir + "0/openssh-key"; l[key] != "" {
		l[key] = strings.TrimSpace(l[key]) + "\n" // as EC2 ends it
	}
	doc := objectOf(m.values["dynamic.values.instance-identity-document"])
	if doc != nil {
		m.in.identity(doc, false)
	}
	m.profile(l)
	if mac == "" {
		m.withoutPlace(l, settings)
	}
	m.in.untyped(l)
	return nil
}

// profile takes the role over, and iam/info if it has an id of its own, or another name than the role.
func (m *aemm) profile(l leaves) {
	info := objectOf(m.values["metadata.values.iam-info"])
	m.in.profile(info, m.text("metadata.values.iam-security-credentials-role"))
	arn := info.text("InstanceProfileArn")
	named := arn != "" && !strings.HasSuffix(arn, ":instance-profile/"+m.in.Role)
	if (named || info.text("InstanceProfileId") != "") && m.in.Role != "" {
		l[infoLeaf] = ec2JSON(info, infoOrder()...)
	}
}

// mac returns the hardware address that the paths of mac-* have; "" if nothing names it.
func (m *aemm) mac() string {
	for _, key := range []string{"metadata.values.mac", "metadata.values.mac-mac"} {
		if m.set(key) {
			return m.text(key)
		}
	}
	found := ""
	for key := range m.values {
		if !strings.HasPrefix(key, "metadata.paths.mac-") {
			continue
		}
		_, rest, ok := strings.Cut(m.text(key), "/macs/")
		mac, _, _ := strings.Cut(rest, "/")
		if !ok || found != "" && found != mac {
			return ""
		}
		found = mac
	}
	return found
}

// path returns the path below the version of a value, "" if it depends on a value that is missing. It reports whether AEMM, or the file,
// has a path for it at all.
func (m *aemm) path(name, mac string) (path string, known bool) {
	public := m.text("metadata.values.public-ipv4")
	if own := m.pathOf("metadata.paths."+name, ""); own != "" {
		for _, moved := range [][2]string{{aemmMAC, mac}, {aemmPublic, public}, {aemmAccelerator, m.text("metadata.values.elastic-inference-associations")}} {
			if moved[1] != "" {
				own = strings.ReplaceAll(own, moved[0], moved[1])
			}
		}
		return own, true
	}
	if mac == "" {
		mac = noMAC
	}
	if public == "" {
		public = m.text("metadata.values.mac-public-ipv4s")
	}
	return aemmPath(name, mac, public, m.text("metadata.values.elastic-inference-associations"))
}

// pathOf returns the path below the version that a setting has, else the usual one.
func (m *aemm) pathOf(key, usual string) string {
	if own := strings.Trim(m.text(key), "/"); own != "" {
		return strings.TrimPrefix(own, "latest/")
	}
	return usual
}

// userdata decodes the user data. A configuration is written on purpose, so it is always taken over.
func (m *aemm) userdata() error {
	const key = "userdata.values.userdata"
	data, err := base64.StdEncoding.DecodeString(m.text(key))
	if err != nil {
		return m.fail(key, "not base64: %w; amazon-ec2-metadata-mock would not start", err)
	}
	const most = 16384
	if len(data) > most {
		return m.fail(key, "%d bytes; EC2 takes at most %d", len(data), most)
	}
	m.in.userData(data, true)
	return nil
}

// server takes over where AEMM listens. What one setting leaves open is as there.
func (m *aemm) server() error {
	host, hasHost := m.values["server.hostname"]
	if !hasHost && !m.set("server.port") {
		return nil
	}
	name, _ := scalarText(host)
	if !hasHost {
		name = "0.0.0.0"
	}
	port := m.text("server.port")
	if port == "" {
		port = aemmPort
	}
	address := net.JoinHostPort(strings.Trim(name, "[]"), port)
	if !config.Fits("server.listen", address) {
		key := "server.port"
		if !m.set(key) {
			key = "server.hostname"
		}
		return m.fail(key, "%s is no address to listen on; write a host name or an address, and a port from 0 to 65535", address)
	}
	m.in.setList("server.listen", []string{address})
	m.in.keep("server", "listen")
	return nil
}

// notNeeded counts the settings that have no meaning here.
func (m *aemm) notNeeded() int {
	n := 0
	for key := range m.values {
		section, name, _ := strings.Cut(key, ".")
		switch {
		case section == "metadata":
			name, isValue := strings.CutPrefix(name, "values.")
			if _, known := m.path(name, "mac"); isValue && !known && !slices.Contains([]string{"event-id", "iam-info", "iam-security-credentials", "iam-security-credentials-role"}, name) {
				n++
			}
		case section == "dynamic", section == "userdata", section == "spot", section == "events", section == "server", section == "imdsv2":
		case strings.HasPrefix(key, "mock-"), strings.HasPrefix(key, "rebalance-"), strings.HasPrefix(key, "asg-termination-"):
		default:
			n++
		}
	}
	return n
}
