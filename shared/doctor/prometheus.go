package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func ofPrometheus(f Facts) Part[Prometheus] { return f.Prometheus }

var prometheusChecks = []Check{
	reach("prometheus.reachable", "see that --prometheus-url is right and that this machine may ask it", ofPrometheus,
		func(Prometheus) string { return "Prometheus answers" }),
	check("prometheus.exporters", ofPrometheus, func(p Prometheus) Verdict {
		if len(p.Collectors) == 0 {
			return fail("add the exporter to scrape_configs, as README shows", "it scrapes no exporter: nobody is alerted")
		}
		return ok("it scrapes the exporter")
	}),
	check("prometheus.targets", ofPrometheus, func(p Prometheus) Verdict {
		var down []string
		for _, s := range p.Down {
			down = append(down, s.Labels["job"]+" "+s.Labels["instance"])
		}
		if len(down) > 0 {
			return fail("start the process, or take it out of scrape_configs", "does not answer its scrapes: %s", sorted(down))
		}
		return ok("every process that it knows answers its scrapes")
	}),
	check("prometheus.collectors", ofPrometheus, func(p Prometheus) Verdict {
		var failing []string
		for _, s := range p.Collectors {
			if s.Value != 1 {
				failing = append(failing, s.Labels["collector"]+" of "+s.Labels["instance"])
			}
		}
		if len(failing) > 0 {
			return fail("see the exporter's log", "cannot read its source: %s", sorted(failing))
		}
		return ok("the exporter can read what it tells")
	}),
	check("prometheus.fleet", ofPrometheus, func(p Prometheus) Verdict {
		if len(p.Builds) < 3 {
			return warn("scrape workers, schedulers and exporters, as README shows", "it scrapes %s of Tidemark, not exporter, worker and scheduler", countOf(len(p.Builds), "process"))
		}
		return ok("it scrapes %s of Tidemark", countOf(len(p.Builds), "process"))
	}),
	check("prometheus.versions", ofPrometheus, func(p Prometheus) Verdict {
		versions := p.Versions()
		if len(versions) > 1 {
			return warn("finish the upgrade: bring every process to one version", "several versions run side by side: %s", strings.Join(versions, ", "))
		}
		return ok("every process runs the same version")
	}),
	check("prometheus.rules", ofPrometheus, func(p Prometheus) Verdict {
		switch {
		case p.Rules == 0:
			return fail("add the rules of `alerts` to rule_files", "it has no rule that asks for Tidemark's metrics: nobody is alerted")
		case len(p.Sick) > 0:
			return fail("see the rules page of Prometheus", "cannot be evaluated: %s", sorted(p.Sick))
		default:
			return ok("%s in force", are(p.Rules, "rule"))
		}
	}),
	check("prometheus.alertmanagers", ofPrometheus, func(p Prometheus) Verdict {
		if p.Alertmanagers == 0 {
			return warn("add one to alerting.alertmanagers", "it knows no Alertmanager: alerts reach nobody")
		}
		return ok("alerts go to an Alertmanager")
	}),
}

// Versions are those of the processes that it scrapes.
func (p Prometheus) Versions() []string {
	var versions []string
	for _, s := range p.Builds {
		versions = append(versions, s.Labels["version"])
	}
	slices.Sort(versions)
	return slices.Compact(versions)
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	plural := what + "s"
	if strings.HasSuffix(what, "s") {
		plural = what + "es"
	}
	return fmt.Sprintf("%d %s", n, plural)
}
