if(TARGET lam_config)
    lam_fuzzer(job SOURCE ${CMAKE_CURRENT_LIST_DIR}/fuzz_job.c AREAS config base)
endif()
