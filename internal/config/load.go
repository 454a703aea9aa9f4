package config

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed default.yaml
var embedded []byte

// Loaded is a valid configuration and where each value came from.
type Loaded struct {
	Config   *Config
	File     string   // path that was read; "" = embedded default
	Files    []string // further files that the configuration names, absolute; their changes matter as much as File's
	Warnings []string // each "conf/config.yaml:9: ec2.instance_id: ..."; for values EC2 would never have
	// UserData is the user data from wherever it is given; nil when there is none. It is a secret, as ec2.user_data is.
	UserData []byte
	// Empty says that the file holds nothing but comments, as one does that is just being written.
	Empty bool

	origins origins
	sources Sources // File is set once a file has been read
}

// Name is the path that was read, or "embedded default".
func (l *Loaded) Name() string { return cmp.Or(l.File, embeddedName) }

// WatchFiles are the files whose changes call for a Reload. Without a configuration file, DefaultFile is among them: it
// may be created later.
func (l *Loaded) WatchFiles() []string {
	return append([]string{cmp.Or(l.File, DefaultFile)}, l.Files...)
}

// Reload reads the same sources again. A file that was read must still be there. Reload refuses a file that is not
// regular, because reading it again could block, and one that has become empty, because it may be half written.
func (l *Loaded) Reload() (*Loaded, error) {
	file := l.sources.Path()
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s: not a regular file, so it cannot be read again", oneLine(file))
	}
	loaded, err := Load(l.sources)
	if err != nil {
		return nil, err
	}
	if loaded.Empty && !l.Empty {
		return nil, fmt.Errorf("%s: has become empty; restart if that is meant", oneLine(file))
	}
	return loaded, nil
}

// Problem is an error as Load's are, for what only those who use the configuration can see to be wrong: it starts with
// the origin of the value at path and with path.
func (l *Loaded) Problem(path, format string, args ...any) error {
	return fmt.Errorf("%s%w", problem{at: l.origins.at(path), path: path}, fmt.Errorf(format, args...))
}

// KeyError says what is wrong with the value of a key.
type KeyError struct {
	Key    string // dotted, as in "ec2.network_interfaces[0].mac"
	At     string // the key, or the element of its list, that the origin is that of
	Reason string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Reason }

// Problems is one error for several, with a line for each as Load's errors have, and nil for none.
func (l *Loaded) Problems(found []*KeyError) error {
	var all problems
	for _, e := range found {
		all.add(l.origins.at(e.At), e.Key, "%s", e.Reason)
	}
	return all.err()
}

// Load reads, overrides, completes and validates a configuration. Its error has one line for each problem, with file and
// line or variable or flag, and with the key.
func Load(src Sources) (*Loaded, error) {
	file, data := src.Path(), embedded
	if file != "" {
		var err error
		if data, err = readConfig(file); err != nil {
			return nil, err
		}
	}
	loaded, err := load(cmp.Or(file, embeddedName), data, src, runtime.GOOS)
	if err != nil {
		return nil, err
	}
	loaded.File = file
	// A file that disappears later is a mistake, not a wish for the embedded default.
	src.File = file
	loaded.sources = src
	return loaded, nil
}

// load does all of Load but find and read the file. goos is the operating system, as package runtime calls it.
func load(name string, data []byte, src Sources, goos string) (*Loaded, error) {
	l := &loader{
		config: defaults(), root: &yaml.Node{Kind: yaml.MappingNode}, file: name, goos: goos,
		given: map[*yaml.Node]origin{}, origins: origins{}, broken: map[string]bool{},
	}
	changes := overrides(src)
	if name == embeddedName && namesProfile(changes) {
		data = nil
	}
	content, err := parse(data)
	if bad, ok := errors.AsType[*syntaxError](err); ok {
		return nil, errors.New(problem{at: origin{name: name, line: bad.line}, text: bad.text}.String())
	}
	empty := content == nil || isNull(content)
	if !empty {
		l.root = content
	}
	for _, o := range changes {
		l.apply(o)
	}
	l.decode(l.root, reflect.ValueOf(l.config).Elem(), "", "")
	l.derive()
	l.validate()
	files := l.locateFiles()
	userData := l.readUserData()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return &Loaded{
		Config: l.config, Files: files, Warnings: l.warnings.lines(), UserData: userData, Empty: empty && name != embeddedName, origins: l.origins,
	}, nil
}

// namesProfile reports whether variables and flags ask for the credentials of a profile, and so for none that are made up.
func namesProfile(changes []override) bool {
	named := false
	for _, o := range changes {
		if strings.EqualFold(strings.Join(o.path, "."), "credentials.source_profile") {
			named = o.value != ""
		}
	}
	return named
}
