from benchmarks.step_time import main

main()
