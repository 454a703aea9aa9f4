package importer

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// LineError is what is wrong with the line of another tool, as opposed to a file.
type LineError struct{ err error }

func (e *LineError) Error() string { return "the line after --: " + e.err.Error() }
func (e *LineError) Unwrap() error { return e.err }

// aemmKeys are the settings that flags of AEMM have: below spot and events those of the subcommands, else those of all.
func aemmFlags(subcommand string) *pflag.FlagSet {
	f := pflag.NewFlagSet("ec2-metadata-mock", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringP("hostname", "n", "", "")
	f.StringP("port", "p", "", "")
	f.StringP("config-file", "c", "", "")
	f.BoolP("save-config-to-file", "s", false, "")
	f.BoolP("watch-config-file", "w", false, "")
	f.Int64P("mock-delay-sec", "d", 0, "")
	f.String("mock-trigger-time", "", "")
	f.Int64P("mock-ip-count", "x", 0, "")
	f.BoolP("imdsv2", "I", false, "")
	f.Int64("rebalance-delay-sec", 0, "")
	f.String("rebalance-trigger-time", "", "")
	f.Int64("asg-termination-delay-sec", 0, "")
	f.Int64("asg-termination-trigger-time", 0, "")
	f.BoolP("help", "h", false, "")
	if subcommand == "spot" || subcommand == anySubcommand {
		f.StringP("action", "a", "", "")
		f.StringP("time", "t", "", "")
		f.StringP("rebalance-rec-time", "r", "", "")
	}
	if subcommand == "events" {
		f.StringP("state", "t", "", "")
		f.StringP("not-after", "a", "", "")
	}
	if subcommand == anySubcommand {
		f.String("state", "", "")
		f.String("not-after", "", "")
	}
	if subcommand == "events" || subcommand == anySubcommand {
		f.StringP("code", "o", "", "")
		f.StringP("not-before", "b", "", "")
		f.StringP("not-before-deadline", "l", "", "")
	}
	return f
}

// anySubcommand has the flags of all, to find which one a line has.
const anySubcommand = "*"

// aemmSubcommand returns the subcommand of a line, "" for none.
func aemmSubcommand(args []string) (string, error) {
	f := aemmFlags(anySubcommand)
	if err := f.Parse(args); err != nil {
		return "", &LineError{err}
	}
	if f.NArg() == 0 {
		return "", nil
	}
	switch name := f.Arg(0); name {
	case "spot":
		return name, nil
	case "events", "se", "scheduledevents":
		return "events", nil
	case "asglifecycle", "asg", "autoscaling":
		return "asglifecycle", nil
	default:
		return "", &LineError{fmt.Errorf("%q is no subcommand of amazon-ec2-metadata-mock; it has spot, events and asglifecycle", name)}
	}
}

// parseAEMM parses a line, with or without the name of the program. It returns the settings of its flags, by key.
func parseAEMM(args []string) (subcommand string, set map[string]string, err error) {
	if len(args) > 0 && strings.Contains(args[0][strings.LastIndexByte(args[0], '/')+1:], "ec2-metadata-mock") {
		args = args[1:]
	}
	if subcommand, err = aemmSubcommand(args); err != nil {
		return "", nil, err
	}
	f := aemmFlags(subcommand)
	if err := f.Parse(args); err != nil {
		return "", nil, &LineError{err}
	}
	if f.NArg() > 1 {
		return "", nil, &LineError{fmt.Errorf("%q is more than amazon-ec2-metadata-mock takes", f.Arg(1))}
	}
	set = map[string]string{}
	own := aemmFlags("")
	f.Visit(func(flag *pflag.Flag) {
		switch {
		case own.Lookup(flag.Name) == nil:
			set[subcommand+"."+flag.Name] = flag.Value.String()
		case flag.Name == "hostname" || flag.Name == "port":
			set["server."+flag.Name] = flag.Value.String()
		default:
			set[flag.Name] = flag.Value.String()
		}
	})
	if set["help"] == "true" {
		return "", nil, &LineError{errors.New("--help starts no service; leave it out")}
	}
	return subcommand, set, nil
}

// AEMMFile returns the file that a line of amazon-ec2-metadata-mock reads: that of its flag, else that of AEMM_CONFIG_FILE. It is "" if
// neither names one; AEMM then looks for aemm-config in the home directory. environ is as of os.Environ.
func AEMMFile(args, environ []string) (string, error) {
	_, set, err := parseAEMM(args)
	if err != nil {
		return "", err
	}
	if file := set["config-file"]; file != "" {
		return file, nil
	}
	for _, entry := range environ {
		if file, ok := strings.CutPrefix(entry, "AEMM_CONFIG_FILE="); ok {
			return file, nil
		}
	}
	return "", nil
}

// line lays the environment and the flags over the file.
func (m *aemm) line(args, environ []string) error {
	subcommand, set, err := parseAEMM(args)
	if err != nil {
		return err
	}
	variables := aemmVariables(m.values)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if key, ok := variables[name]; ok {
			m.values[key], m.names[key] = value, name
		}
	}
	for key, value := range set {
		m.values[key], m.names[key] = value, "the line after --"
		if key == "asg-termination-trigger-time" {
			m.in.note(Hint, key, "the flag takes a number, in which amazon-ec2-metadata-mock finds no time, so that Terminated comes at once there; it is ignored here")
			delete(m.values, key)
		}
	}
	m.spot, m.maintenance, m.asg = subcommand == "spot", subcommand == "events", subcommand == "asglifecycle"
	if subcommand == "" {
		m.spot, m.maintenance, m.asg = true, true, true
		m.in.note(Hint, "events", "without a subcommand amazon-ec2-metadata-mock mocks spot, events and asglifecycle; name one for its events alone")
	}
	return nil
}

// aemmVariables maps the names of environment variables to settings: of all that have a flag, and of those in a file.
func aemmVariables(values map[string]any) map[string]string {
	keys := []string{
		"server.hostname", "server.port", "mock-delay-sec", "mock-trigger-time", "mock-ip-count", "imdsv2", "rebalance-delay-sec",
		"rebalance-trigger-time", "asg-termination-delay-sec", "asg-termination-trigger-time", "spot.action", "spot.time",
		"spot.rebalance-rec-time", "events.code", "events.state", "events.not-before", "events.not-after", "events.not-before-deadline",
		"userdata.values.userdata", "dynamic.values.fws-instance-monitoring", "metadata.values.event-id",
		"metadata.values.iam-security-credentials-role",
	}
	for _, name := range aemmNames() {
		keys = append(keys, "metadata.values."+name, "metadata.paths."+name)
	}
	keys = append(keys, slices.Sorted(maps.Keys(values))...)
	variables := map[string]string{}
	for _, key := range keys {
		if !wholeAEMM(key) {
			variables["AEMM_"+strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))] = key
		}
	}
	return variables
}
