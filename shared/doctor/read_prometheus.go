package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// answerLimit bounds what is read of an answer of Prometheus.
const answerLimit = 32 << 20

// prometheus asks the HTTP API of Prometheus.
type prometheus struct {
	base   *url.URL
	client *http.Client
}

func readPrometheus(ctx context.Context, address string) (p Prometheus, err error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return p, errors.New("the address is no URL such as http://prometheus:9090")
	}
	// Of its own, since the default one keeps connections.
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	api := prometheus{base, client}
	if p.Collectors, err = api.query(ctx, `tidemark_collector_success`); err != nil {
		return p, err
	}
	if p.Builds, err = api.query(ctx, `tidemark_build_info`); err != nil {
		return p, err
	}
	// What has been a process of Tidemark within the last day and does not answer now.
	if p.Down, err = api.query(ctx, `up == 0 and on (job, instance) count by (job, instance) (last_over_time(tidemark_build_info[1d]))`); err != nil {
		return p, err
	}
	if p.Rules, p.Sick, err = api.rules(ctx); err != nil {
		return p, err
	}
	p.Alertmanagers, err = api.alertmanagers(ctx)
	return p, err
}

// get reads the data of an answer.
func (p prometheus) get(ctx context.Context, path string, parameters url.Values, data any) error {
	u := p.base.JoinPath(path)
	u.RawQuery = parameters.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		// The client's error quotes the address, which may hold a password.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("ask Prometheus for %s: %w", path, err)
	}
	defer answer.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, answerLimit)).Decode(&body); err != nil || body.Data == nil && body.Error == "" {
		return fmt.Errorf("ask Prometheus for %s: the answer (%s) is not Prometheus's", path, answer.Status)
	}
	if body.Status != "success" {
		return fmt.Errorf("ask Prometheus for %s: %s", path, body.Error)
	}
	return json.Unmarshal(body.Data, data)
}

func (p prometheus) query(ctx context.Context, query string) ([]Sample, error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.get(ctx, "api/v1/query", url.Values{"query": {query}}, &data); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("ask Prometheus for %s: %q is no value", query, text)
		}
		samples = append(samples, Sample{r.Metric, value})
	}
	return samples, nil
}

// rules counts the alerting and recording rules that ask for our metrics.
func (p prometheus) rules(ctx context.Context) (n int, sick []string, err error) {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Query, Health string }
		}
	}
	if err := p.get(ctx, "api/v1/rules", nil, &data); err != nil {
		return 0, nil, err
	}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if !strings.Contains(r.Query, "tidemark_") {
				continue
			}
			n++
			if r.Health == "err" {
				sick = append(sick, r.Name)
			}
		}
	}
	return n, sick, nil
}

func (p prometheus) alertmanagers(ctx context.Context) (int, error) {
	var data struct {
		ActiveAlertmanagers []struct{ URL string }
	}
	err := p.get(ctx, "api/v1/alertmanagers", nil, &data)
	return len(data.ActiveAlertmanagers), err
}
