//go:build race

package amqp10

const poisons = true
