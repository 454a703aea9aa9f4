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
func (l *Loaded) Name() string {
	if l.File == "" {
		return embeddedName
	}
	return l.File
}

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

// Load reads, overrides, completes and validates a configuration. Its error has one line for each problem, with file and
// line or variable or flag, and with the key.
func Load(src Sources) (*Loaded, error) {
	file, name, data := src.Path(), embeddedName, embedded
	if file != "" {
		var err error
		if data, err = readFile(file); err != nil {
			return nil, err
		}
		name = file
	}
	loaded, err := load(name, data, src, runtime.GOOS)
	if err != nil {
		return nil, err
	}
	loaded.File = file
	// A file that disappears later is a mistake, not a wish for the embedded default.
	src.File = file
	loaded.sources = src
	return loaded, nil
}

// load does all of Load but finding and reading the configuration file, for an operating system as package runtime
// calls it.
func load(name string, data []byte, src Sources, goos string) (*Loaded, error) {
	l := newLayers()
	l.goos = goos
	if err := l.file(name, data); err != nil {
		return nil, err
	}
	l.override(src)
	l.dropMock()
	l.setDefaults()
	l.validate()
	l.locateFiles()
	userData := l.readUserData()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return &Loaded{
		Config: l.config, Files: l.files(), Warnings: l.warnings.lines(), UserData: userData, Empty: l.empty, origins: l.origins,
	}, nil
}

// dropMock makes the embedded default's made-up credentials give way to a profile that the environment or --set names:
// whoever names one wants real ones.
func (l *layers) dropMock() {
	if l.config.Credentials.SourceProfile == "" || l.origins["credentials.source_profile"].file != "" {
		return
	}
	for path, value := range map[string]any{"credentials.mock": &l.config.Credentials.Mock, "credentials.iam_role": &l.config.Credentials.IAMRole} {
		if l.origins[path].file == embeddedName {
			l.forget(path, reflect.ValueOf(value).Elem())
		}
	}
}

// file lays a file over the configuration. An error means that it is not YAML, so that nothing more can be said about it.
func (l *layers) file(name string, data []byte) error {
	at := func(n *yaml.Node) origin { return origin{file: name, line: n.Line} }
	n, second, bad := parse(data)
	if bad != nil {
		return errors.New(problem{at: origin{file: name, line: bad.line}, text: bad.Error()}.String())
	}
	if second > 0 {
		l.problems.add(origin{file: name, line: second}, "", "a second YAML document starts here; put everything into one")
	}
	switch {
	case n == nil || isNull(n):
		l.empty = true
	case n.Kind != yaml.MappingNode:
		l.problems.add(at(n), "", "want blocks of keys, but this is %s; allowed at the top: %s",
			kindName(n), strings.Join(keys(reflect.TypeFor[Config]()), ", "))
	default:
		l.decode(n, reflect.ValueOf(l.config).Elem(), "", at)
	}
	return nil
}
