package app

import (
	"mock-ec2-metadata/internal/api"
)

// EffectiveConfig describes the configuration in force, with secrets redacted and the values of metadata left out.
func (a *App) EffectiveConfig() *api.EffectiveConfig {
	s := a.State()
	text, values := s.Config.Effective()
	c := &api.EffectiveConfig{
		YAML: string(text), Values: make([]api.ConfigValue, 0, len(values)),
		Warnings: append([]string{}, s.Config.Warnings...), NeedsRestart: append([]string{}, s.Restart...),
	}
	for _, v := range values {
		c.Values = append(c.Values, api.ConfigValue{Key: v.Key, Value: v.Value, Origin: v.Origin})
	}
	return c
}
