package local

import "context"

// Prometheus is a throw-away Prometheus server.
type Prometheus struct{ *site }

// StartPrometheus starts a server on prometheus.yml, one of these files by path; the others
// are those that it names, such as rules. The error is [os/exec.ErrNotFound] where Prometheus is
// not installed.
func StartPrometheus(ctx context.Context, files map[string]string) (*Prometheus, error) {
	s, err := startSite(ctx, program{"prometheus", func(address string) []string {
		return []string{"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=" + address, "--log.level=warn",
			// What fires before Prometheus knows its Alertmanager is sent again soon.
			"--rules.alert.resend-delay=2s"}
	}}, files)
	if err != nil {
		return nil, err
	}
	return &Prometheus{s}, nil
}
