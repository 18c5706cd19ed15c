package ecs

import (
	"fmt"
	"hash/fnv"
	"maps"
	"runtime"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Architecture is the CPU architecture as ECS names it.
var Architecture = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]

// EndpointHost is where a task's containers ask about themselves: the ECS
// agent's address, the same in every task.
const EndpointHost = "169.254.170.2"

// EndpointAPI is where a task's containers find the APIs: at the same address, and the port where clients look for them.
const EndpointAPI = EndpointHost + ":4566"

// EndpointID is what the container is called there: the task's id and a number
// of ten digits, as on Fargate.
func (t *Task) EndpointID(c Container) string {
	h := fnv.New32a()
	h.Write([]byte(c.ARN))
	return fmt.Sprintf("%s-%010d", t.ID, h.Sum32())
}

// ClusterARN is the ARN of the task's cluster.
func (t *Task) ClusterARN() string {
	account, _, _ := strings.Cut(t.ARN, ":task/")
	return account + ":cluster/" + t.Cluster
}

// Labels are those of a container of the task: its definition's, and what the
// ECS agent says of every container.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html
func (t *Task) Labels(d types.TaskDefinition, c types.ContainerDefinition) map[string]string {
	out := map[string]string{}
	maps.Copy(out, c.DockerLabels)
	maps.Copy(out, map[string]string{
		"com.amazonaws.ecs.cluster":                 t.ClusterARN(),
		"com.amazonaws.ecs.container-name":          aws.ToString(c.Name),
		"com.amazonaws.ecs.task-arn":                t.ARN,
		"com.amazonaws.ecs.task-definition-family":  aws.ToString(d.Family),
		"com.amazonaws.ecs.task-definition-version": strconv.Itoa(int(d.Revision)),
	})
	return out
}
