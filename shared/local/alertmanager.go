package local

import "context"

// Alertmanager is a throw-away Alertmanager, alone in its cluster.
type Alertmanager struct{ *site }

// StartAlertmanager starts a server on this configuration. The error is [os/exec.ErrNotFound]
// where Alertmanager is not installed.
func StartAlertmanager(ctx context.Context, config string) (*Alertmanager, error) {
	s, err := startSite(ctx, program{"prometheus-alertmanager", func(address string) []string {
		return []string{"--config.file=alertmanager.yml", "--storage.path=data", "--web.listen-address=" + address,
			"--cluster.listen-address=", "--log.level=warn"}
	}}, map[string]string{"alertmanager.yml": config})
	if err != nil {
		return nil, err
	}
	return &Alertmanager{s}, nil
}
