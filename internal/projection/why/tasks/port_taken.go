package tasks

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// PortTaken finds containers of a task that want one port.
var PortTaken = finding.Check{
	Number: 25, Name: "port-taken", Title: "Two containers of a task want one port",
	Shows: "A container ends with \"address already in use\".",
	Known: "The line that the app printed, and the ports that the other containers of the task have: all share one network.",
	Mend:  "Let one of them listen on another port.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, portTaken) },
}

var (
	inUse    = regexp.MustCompile(`(?i)address (is )?already in use|EADDRINUSE|bind: address in use`)
	portSaid = regexp.MustCompile(`:(\d{2,5})\b`)
)

func portTaken(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	line, printed := f.prints(inUse)
	if !printed || f.container == nil {
		return finding.Finding{}, false
	}
	port := "a port"
	if found := portSaid.FindAllStringSubmatch(line, -1); found != nil {
		port = "port " + found[len(found)-1][1]
	}
	cause := fmt.Sprintf("%s can't listen on %s, which is taken in its task", f.who(), port)
	is := f.finding(s, "port/"+f.container.Name, cause)
	others := []string{}
	for _, c := range s.Definitions[f.task.TaskDefinition].ContainerDefinitions {
		if name := aws.ToString(c.Name); name != f.container.Name {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	if len(others) == 0 {
		is.Possible = true
		is.Mend = []finding.Mend{finding.Change("let the app listen on it once: it seems to try twice")}
		return is, true
	}
	is.Evidence = append(is.Evidence, finding.Evidence{What: "task", Says: fmt.Sprintf("the containers of a task share one network: the others are %v", others)})
	is.Mend = []finding.Mend{finding.Change("let one of the containers listen on another port")}
	return is, true
}
