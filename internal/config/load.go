package config

import (
	_ "embed"
	"errors"
	"reflect"

	"gopkg.in/yaml.v3"
)

//go:embed default.yaml
var embedded []byte

// Loaded is a valid configuration and where each value came from.
type Loaded struct {
	Config   *Config
	File     string   // path that was read; "" = embedded default
	Warnings []string // each "conf/config.yaml:9: ec2.instance_id: ..."; for values EC2 would never have

	origins map[string]origin
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
	loaded, err := load(name, data, src)
	if err != nil {
		return nil, err
	}
	loaded.File = file
	return loaded, nil
}

// load does all of Load that does not touch the disk.
func load(name string, data []byte, src Sources) (*Loaded, error) {
	l := newLayers()
	if err := l.file(name, data); err != nil {
		return nil, err
	}
	l.override(src.Environ, src.Set)
	l.dropMock()
	l.setDefaults()
	l.validate()
	l.refuseUnsupported()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return &Loaded{Config: l.config, Warnings: l.warnings.lines(), origins: l.origins}, nil
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
	case n.Kind != yaml.MappingNode:
		l.problems.add(at(n), "", "want blocks of keys, but this is %s; allowed at the top: %s",
			kindName(n), allowedKeys(reflect.TypeFor[Config](), ""))
	default:
		l.decode(n, reflect.ValueOf(l.config).Elem(), "", at)
	}
	return nil
}
