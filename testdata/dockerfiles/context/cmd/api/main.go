package main

var version = "dev"

func main() { println("api", version) }
