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

// Loaded is a valid configuration with the origin of each value.
type Loaded struct {
	Config   *Config
	File     string   // path that was read; "" = embedded default
	Files    []string // absolute paths of the files that the configuration names
	Warnings []string // "conf/config.yaml:9: ec2.instance_id: ..." for values that EC2 would never have
	// UserData is the user data of whichever key has it, or nil. It is a secret, as ec2.user_data is.
	UserData []byte
	// Authorization is what clients of ecs must send, of whichever key has it; "" is nothing.
	Authorization Secret
	// Empty is true for a file with nothing but comments, such as one that is being written.
	Empty bool

	scope      *scope // the file's
	roleScopes map[string]*scope
	// clientScopes are those of the entries of clients, in order.
	clientScopes []*scope
	accountSet   bool // aws.account_id is set
	sources      Sources
	profile      placeProfile
}

// Name returns the path that was read, or "embedded default".
func (l *Loaded) Name() string { return cmp.Or(l.File, embeddedName) }

// MockHint says how to get real credentials instead of made-up ones: by which keys, and where to write them. A file that sets
// credentials.mock is to be edited, wherever it is. Packages and archives have no conf/ to copy from.
func (l *Loaded) MockHint() string {
	if l.File == "" {
		return "no AWS service accepts them; for real ones copy conf/sample-config.yaml to conf/config.yaml and set credentials.source_profile and credentials.iam_role"
	}
	return "no AWS service accepts them; for real ones set credentials.mock to false, and credentials.source_profile and credentials.iam_role to yours"
}

// WatchFiles returns the files whose changes require a Reload. They include DefaultFile if no file was read, because it may
// be created later.
func (l *Loaded) WatchFiles() []string {
	return append([]string{cmp.Or(l.File, DefaultFile)}, l.Files...)
}

// Reload reads the same sources again. A file that was read must still exist. Reload refuses a file that is not regular,
// because reading it again could block. It refuses a file that has become empty, because it may be half written.
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

// Problem returns an error in the form of Load's: it starts with the origin of the value at path and with path.
func (l *Loaded) Problem(path, format string, args ...any) error {
	return fmt.Errorf("%s%w", problem{at: l.scope.where(path), path: path}, fmt.Errorf(format, args...))
}

// KeyError is a problem that another package found with the value of a key.
type KeyError struct {
	Key    string // dotted, as in "ec2.network_interfaces[0].mac"
	At     string // Key, or the element of its list whose line the message names
	Reason string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Reason }

// Problems returns one error with a line for each problem with the instance of an entry of clients, or the file's own for -1, in
// the form of Load's. It returns nil if there are none.
func (l *Loaded) Problems(entry int, found []*KeyError) error {
	if len(found) == 0 {
		return nil
	}
	s := l.scopeOf(entry)
	var all problems
	for _, e := range found {
		all.add(s.where(e.At), s.display(e.Key), "%s", e.Reason)
	}
	return all.err()
}

// EntryProblem is Problem for a key of an entry of clients, or of the file for -1.
func (l *Loaded) EntryProblem(entry int, path, format string, args ...any) error {
	s := l.scopeOf(entry)
	return fmt.Errorf("%s%w", problem{at: s.where(path), path: s.display(path)}, fmt.Errorf(format, args...))
}

// fewEntries is up to how many entries of roles and clients keep the origins of their keys once they are checked.
const fewEntries = 100

// Checked returns the same configuration without the origins of the keys of many entries: thousands, which only messages and YAML show.
// It must have no Problems.
func (l *Loaded) Checked() *Loaded {
	checked := *l
	if len(l.Config.Roles)+len(l.Config.Clients) > fewEntries {
		checked.roleScopes, checked.clientScopes = nil, nil
	}
	return &checked
}

// EntryPlace names an entry of clients and where it stands: clients[0] (conf/config.yaml:12).
func (l *Loaded) EntryPlace(entry int) string {
	s := l.scopeOf(entry)
	return fmt.Sprintf("%s (%s)", s.path, s.at)
}

// scopeOf returns the scope of an entry of clients, or the file's for -1.
func (l *Loaded) scopeOf(entry int) *scope {
	if entry < 0 || l.clientScopes == nil {
		return l.scope
	}
	return l.clientScopes[entry]
}

// Load reads a configuration, merges overrides, adds defaults and validates it. Its error has one line for each problem,
// which starts with file and line, variable or flag, and the key.
func Load(src Sources) (*Loaded, error) {
	file, data := src.Path(), embedded
	switch {
	case src.Text != nil:
		file, data = "", src.Text
	case file != "":
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
	loaded.sources = src
	loaded.sources.File = file // a reload must not fall back to the embedded default if the file disappears
	return loaded, nil
}

// load is Load without finding and reading the file. goos is the operating system, as package runtime names it.
func load(name string, data []byte, src Sources, goos string) (*Loaded, error) {
	l := &loader{
		config: defaults(), initial: defaults(), root: &yaml.Node{Kind: yaml.MappingNode}, file: name, goos: goos, sources: src,
		overrides: map[*yaml.Node]origin{}, scope: &scope{}, paths: paths{}, fields: map[reflect.Type][]field{},
	}
	l.scope.origins.many = map[string]origin{}
	overrides := overridesOf(src)
	if src.Text == nil && name == embeddedName && nameProfile(overrides) {
		data = nil // its credentials are invented
	}
	content, err := parse(data)
	if bad, ok := errors.AsType[*syntaxError](err); ok {
		return nil, errors.New(problem{at: origin{name: name, line: bad.line}, text: bad.text}.String())
	}
	empty := content == nil || isNull(content)
	if !empty {
		l.root = content
	}
	for _, o := range overrides {
		l.apply(o)
	}
	l.decode(l.root, reflect.ValueOf(l.config).Elem(), "", "")
	inherited := l.config.Credentials
	l.derive()
	l.validate()
	l.files = l.locateFiles()
	l.fileUserData = l.readUserData()
	l.readAuthorization()
	l.decodeEntries(inherited)
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return &Loaded{
		Config: l.config, Files: l.files, Warnings: l.warnings.lines(), UserData: l.fileUserData, Authorization: l.authorization, Empty: empty && name != embeddedName,
		scope: l.scope, roleScopes: l.roleScopes, clientScopes: l.clientScopes, accountSet: l.isSet(accountPath), profile: l.placeProfile,
	}, nil
}

// decodeEntries decodes the entries that lay keys over those of the file.
func (l *loader) decodeEntries(inherited Credentials) {
	sound := len(l.problems) == 0
	l.decodeRoles(inherited, sound)
	sound = sound && len(l.problems) == 0
	l.decodeClients(sound)
	if sound {
		l.validateListeners()
		l.validateContainers()
		l.validateByPath()
		l.validatePodIdentity()
		l.validatePodRoles()
		l.validateEventClients()
		l.warnOfUnreachable()
	}
}

// nameProfile reports whether overrides set credentials.source_profile, and so ask for real credentials.
func nameProfile(overrides []override) bool {
	named := false
	for _, o := range overrides {
		if strings.EqualFold(strings.Join(o.path, "."), "credentials.source_profile") {
			named = o.value != ""
		}
	}
	return named
}
