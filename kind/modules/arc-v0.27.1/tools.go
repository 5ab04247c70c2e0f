//go:build tools

// Package tools names the programs that this module pins.
package tools

import (
	_ "github.com/actions/actions-runner-controller"
	_ "github.com/actions/actions-runner-controller/cmd/actionsmetricsserver"
	_ "github.com/actions/actions-runner-controller/cmd/githubwebhookserver"
)
