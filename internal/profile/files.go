// Package profile reads the two files of ~/.aws as the AWS CLI does: the config file and the credentials file. It says what a
// profile is made of, and where in the files its problem is. It calls no service.
package profile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// maxSize bounds a file, in bytes.
const maxSize = 16 << 20

// Files are the two files, as they were read.
type Files struct {
	profiles map[string]*entry
	sessions map[string]*section // sso-session sections of the config file
	services map[string]*section // services sections of the config file
	ignored  []*section          // whose headings name none of these
	unread   []error             // why a file that exists was not read: *fs.PathError
}

// entry is a profile in the files: the section of each file, or nil.
type entry struct{ config, credentials *section }

// Load reads both files. A missing file is empty, as is one that cannot be read, which errors of a profile mention. Load fails with
// *SyntaxError.
func Load() (*Files, error) { return load(ConfigFile(), CredentialsFile()) }

// load is Load of two files.
func load(configFile, credentialsFile string) (*Files, error) {
	f := &Files{profiles: map[string]*entry{}, sessions: map[string]*section{}, services: map[string]*section{}}
	sections, err := f.read(configFile)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		f.addConfig(s)
	}
	if sections, err = f.read(credentialsFile); err != nil {
		return nil, err
	}
	for _, s := range sections {
		if s.heading == common {
			f.ignored = append(f.ignored, s)
			continue
		}
		f.entry(s.heading).credentials = s
	}
	return f, nil
}

// entry returns the profile of that name, and makes it.
func (f *Files) entry(name string) *entry {
	e := f.profiles[name]
	if e == nil {
		e = &entry{}
		f.profiles[name] = e
	}
	return e
}

// read reads a file. Only a regular one can be read: another could block.
func (f *Files) read(file string) ([]*section, error) {
	data, err := readRegular(file)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, nil
	default:
		f.unread = append(f.unread, err)
		return nil, nil
	}
	sections, syntax := parse(file, data)
	if syntax != nil {
		return nil, syntax
	}
	return sections, nil
}

func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file) //nolint:gosec // the user names it
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: file, Err: syscall.EISDIR}
	case info.Mode()&fs.ModeCharDevice != 0:
		return nil, nil // /dev/null is a way to have no file
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("not a regular file")}
	}
	in, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	data, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = &fs.PathError{Op: "read", Path: file, Err: syscall.EFBIG}
	}
	return data, err
}

// addConfig adds a section of the config file. Of two headings that mean the same profile, the later one holds.
func (f *Files) addConfig(s *section) {
	if s.heading == "default" {
		f.entry("default").config = s
		return
	}
	words, err := split(s.heading)
	switch named := err == nil && len(words) == 2; {
	case named && strings.HasPrefix(s.heading, "profile"):
		f.entry(words[1]).config = s
	case named && strings.HasPrefix(s.heading, "sso-session"):
		f.sessions[words[1]] = s
	case named && strings.HasPrefix(s.heading, "services"):
		f.services[words[1]] = s
	default:
		f.ignored = append(f.ignored, s)
	}
}

// get returns the value of a key, with the section that has it: the credentials file's if both have one.
func (e *entry) get(key string) (v value, at *section, ok bool) {
	if e == nil {
		return value{}, nil, false
	}
	for _, s := range []*section{e.credentials, e.config} {
		if s == nil {
			continue
		}
		if v, ok := s.keys[key]; ok {
			return v, s, true
		}
	}
	return value{}, nil, false
}

// Named returns the profile that the environment names, and the variable.
func Named() (name, variable string) {
	for _, variable := range [...]string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name := os.Getenv(variable); name != "" {
			return name, variable
		}
	}
	return "", ""
}
